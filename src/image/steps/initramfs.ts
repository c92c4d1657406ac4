/**
 * The root file systems of service VMs: one archive that all of them have, ennead-rt above all, and one of each service's own behind it, with
 * its program and what its manifest and its part in the boot add.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest, ServiceName } from '../../kit/manifest.ts';
import { compactElf } from '../compact-elf.ts';
import { type CpioEntry, writeCpio } from '../cpio.ts';
import { digestBytes, digestFile } from '../digest.ts';
import { extraEntries } from '../extra-files.ts';
import type { Artifact, Scope, Step } from '../step.ts';
import { programStep } from './program.ts';
import { runtime } from './runtime.ts';

/** An image that a VM hands on to VMs it builds: a file of another step's artifact, or one of a Debian package. */
export type CarriedImage =
  | { readonly step: Step; readonly file: string }
  | { readonly package: string; readonly path: string };

const WRITERS = ['cpio.ts', 'compact-elf.ts'].map((name) => join(import.meta.dirname, '..', name));
/** Mount points, and where the host's configuration and the service's own files go. */
const FOLDERS = ['dev', 'proc', 'sys', 'tmp', 'run', 'etc/ennead'];

export const archiveName = (service: ServiceName): string => `${service}.cpio`;

const recipe = async (): Promise<Record<string, string>> => ({
  recipe: await digestFile(import.meta.filename),
  writers: (await Promise.all(WRITERS.map(digestFile))).join(),
});

const BASE_ARCHIVE = 'base.cpio';

const baseInitramfs: Step = {
  name: 'initramfs-base',
  summary: 'what the root file system of every service VM begins with',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  inputs: recipe,
  async build(job) {
    await writeFile(join(job.outDir, BASE_ARCHIVE), writeCpio(await baseEntries(job)));
    return { version: job.artifact(runtime).version };
  },
};

/** Whoever builds other service VMs puts it before their own archives. */
export const baseImage: readonly [string, CarriedImage] = [BASE_ARCHIVE, { step: baseInitramfs, file: BASE_ARCHIVE }];

/** `carried`: by file name under /images. `whole`: for a VM that gets one archive only. */
export function initramfsStep(
  manifest: Manifest,
  carried: Readonly<Record<string, CarriedImage>>,
  { whole = false } = {},
): Step {
  const programNames = (manifest.programs ?? []).map(({ name }) => name);
  const program = programStep(manifest.name, programNames);
  const images = Object.entries(carried);
  const steps = images.flatMap(([, image]) => ('step' in image ? [image.step] : []));
  const programs = manifest.files.map((file) => file.path);
  return {
    name: `initramfs-${manifest.name}`,
    summary: `the root file system of ${manifest.name}`,
    lane: 'cpu',
    needs: [runtime, program, ...new Set(steps)],
    packages: [...manifest.files, ...images.flatMap(([, image]) => ('package' in image ? [image] : []))].map(
      (file) => file.package,
    ),
    inputs: async () => ({
      ...(await recipe()),
      carried: JSON.stringify(images.map(([name, image]) => [name, 'step' in image ? image.file : image.path])),
      // What ldd finds is the machine's: the bytes count, not the versions.
      extras: digestBytes(writeCpio(await extraEntries(programs))),
    }),
    async build(job) {
      const entries: CpioEntry[] = [
        ...(whole ? await baseEntries(job) : []),
        ...(await programEntries(job.artifact(program), ['service', ...programNames])),
        ...(await extraEntries(programs)),
        ...(await carriedEntries(job, images)),
      ];
      await writeFile(join(job.outDir, archiveName(manifest.name)), writeCpio(entries));
      return { version: job.artifact(program).version };
    },
  };
}

async function baseEntries(scope: Scope): Promise<CpioEntry[]> {
  return [
    ...FOLDERS.map((path) => ({ kind: 'directory' as const, path, mode: path === 'tmp' ? 0o1777 : 0o755 })),
    // The kernel opens it as the first program's standard streams, before anything is mounted.
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'init', mode: 0o755, bytes: await readFile(scope.artifact(runtime).path('ennead-rt')) },
  ];
}

function programEntries(program: Artifact, names: readonly string[]): Promise<CpioEntry[]> {
  return Promise.all(
    names.map(async (name) => ({
      kind: 'file',
      path: `${name}.qbc`,
      bytes: await readFile(program.path(`${name}.qbc`)),
    })),
  );
}

/** Kernels travel without their padding (docs/decisions/0009): a VM that carries some needs a third of the memory, and builds others at once. */
function carriedEntries(scope: Scope, images: readonly (readonly [string, CarriedImage])[]): Promise<CpioEntry[]> {
  return Promise.all(
    images.map(async ([name, image]) => {
      const path = 'step' in image ? scope.artifact(image.step).path(image.file) : image.path;
      const bytes = await readFile(path);
      return {
        kind: 'file' as const,
        path: `images/${name}`,
        bytes: name.endsWith('.elf') ? compactElf(bytes) : bytes,
      };
    }),
  );
}
