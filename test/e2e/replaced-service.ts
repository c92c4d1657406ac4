/** A host with a program of the tests in one service's place; kernels, policy and everything else are an operator's. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type HostImages, hostImages, startHost } from '../../src/host/host.ts';
import { hostDirectoryAt } from '../../src/host/host-directory.ts';
import { serviceFolder } from '../../src/image/allowance.ts';
import { buildImages } from '../../src/image/build.ts';
import { compiling } from '../../src/image/bundle.ts';
import { writeCpio } from '../../src/image/cpio.ts';
import { digestFile } from '../../src/image/digest.ts';
import { initramfsSteps } from '../../src/image/graph.ts';
import { buildSteps } from '../../src/image/images.ts';
import type { Step } from '../../src/image/step.ts';
import { archiveName } from '../../src/image/steps/initramfs.ts';
import { runtime } from '../../src/image/steps/runtime.ts';
import type { ServiceName } from '../../src/kit/manifest.ts';
import { addProbeGuest, newHostFolder } from './test-host.ts';

export interface Replacement {
  readonly service: ServiceName;
  /** Relative to the repository. It may have the service's own code, and what is in its folder. */
  readonly entry: string;
}

/** For a service whose archive is its program alone. Returns the host's folder, as `bootTestHost` does. */
export async function bootHostWith(replacement: Replacement): Promise<string> {
  const folder = await newHostFolder();
  const directory = hostDirectoryAt(folder);
  await addProbeGuest(directory.guestImages);
  await startHost({ images: await imagesWith(replacement), directory });
  return folder;
}

async function imagesWith(replacement: Replacement): Promise<HostImages> {
  const images = hostImages(await buildImages());
  const instead = new Map([[replacement.service, archiveOf(replacement)]]);
  const bootstrapper = initramfsSteps(instead).get('bootstrapper')!;
  const { made } = await buildSteps([bootstrapper], {});
  return { ...images, bootstrapper: made.get(bootstrapper)!.path(archiveName('bootstrapper')) };
}

function archiveOf({ service, entry }: Replacement): Step {
  const program: Step = {
    name: `test-${service}`,
    summary: `bytecode of what stands in ${service}'s place`,
    lane: 'cpu',
    needs: [runtime],
    packages: [],
    ...compiling(
      [{ name: 'service', module: `test-${service}.js`, entry }],
      [new RegExp(`^${dirname(entry)}/`), serviceFolder(service)],
      runtime,
    ),
  };
  return {
    name: `test-${service}-archive`,
    summary: 'its root file system',
    lane: 'cpu',
    needs: [program],
    packages: [],
    inputs: async () => ({ recipe: await digestFile(import.meta.filename) }),
    async build(job) {
      const made = job.artifact(program);
      const bytes = await readFile(made.path('service.qbc'));
      const entries = [{ kind: 'file' as const, path: 'service.qbc', bytes }];
      await writeFile(join(job.outDir, archiveName(service)), writeCpio(entries));
      return { version: made.version, materials: [] };
    },
  };
}
