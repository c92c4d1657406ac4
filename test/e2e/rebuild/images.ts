/** A host's images with a XenStore-Logic that ends when it is told to: Bootstrapper's and Builder's. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostImages, hostImages } from '../../../src/host/host.ts';
import { serviceFolder } from '../../../src/image/allowance.ts';
import { buildImages } from '../../../src/image/build.ts';
import { compiling } from '../../../src/image/bundle.ts';
import { writeCpio } from '../../../src/image/cpio.ts';
import { digestFile } from '../../../src/image/digest.ts';
import { initramfsSteps } from '../../../src/image/graph.ts';
import { buildSteps } from '../../../src/image/images.ts';
import type { Step } from '../../../src/image/step.ts';
import { archiveName } from '../../../src/image/steps/initramfs.ts';
import { runtime } from '../../../src/image/steps/runtime.ts';

const PROGRAM = { name: 'service', module: 'mortal-logic.js', entry: 'test/e2e/rebuild/mortal-logic.ts' };

const program: Step = {
  name: 'test-rebuild',
  summary: 'bytecode of a XenStore-Logic that ends when it is told to',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  ...compiling([PROGRAM], [/^test\/e2e\/rebuild\//, serviceFolder('xenstore-logic')], runtime),
};

const archive: Step = {
  name: 'test-rebuild-archive',
  summary: 'its root file system',
  lane: 'cpu',
  needs: [program],
  packages: [],
  inputs: async () => ({ recipe: await digestFile(import.meta.filename) }),
  async build(job) {
    const made = job.artifact(program);
    const bytes = await readFile(made.path('service.qbc'));
    const entries = [{ kind: 'file' as const, path: 'service.qbc', bytes }];
    await writeFile(join(job.outDir, archiveName('xenstore-logic')), writeCpio(entries));
    return { version: made.version, materials: [] };
  },
};

const bootstrapper = initramfsSteps(new Map([['xenstore-logic', archive]])).get('bootstrapper')!;

export async function imagesWithMortalLogic(): Promise<HostImages> {
  const images = hostImages(await buildImages());
  const { made } = await buildSteps([bootstrapper], {});
  return { ...images, bootstrapper: made.get(bootstrapper)!.path(archiveName('bootstrapper')) };
}
