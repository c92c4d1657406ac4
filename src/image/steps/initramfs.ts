/**
 * The root file systems of service VMs: one archive that all of them have, ennead-rt above all, and one of each service's own behind it, with
 * its program and what its manifest and its part in the boot add.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest, ServiceName } from '../../kit/manifest.ts';
import { compactElf } from '../compact-elf.ts';
import { type CpioEntry, type FileBehind, writeCpio } from '../cpio.ts';
import { digestBytes, digestFile } from '../digest.ts';
import { debianMaterials, extraEntries } from '../extra-files.ts';
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
const INIT = { path: 'init', mode: 0o755 } as const;

const baseInitramfs: Step = {
  name: 'initramfs-base',
  summary: 'what the root file system of every service VM begins with',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  inputs: recipe,
  async build(job) {
    const { length } = await runtimeBytes(job);
    await writeFile(join(job.outDir, BASE_ARCHIVE), writeCpio(BASE_ENTRIES, { ...INIT, bytes: length }));
    return { version: job.artifact(runtime).version };
  },
};

/** Whoever builds other service VMs puts it, and its own ennead-rt behind it, before their own archives. */
export const baseImage: readonly [string, CarriedImage] = [BASE_ARCHIVE, { step: baseInitramfs, file: BASE_ARCHIVE }];

export interface InitramfsOptions {
  /** For a VM that gets one archive only. */
  readonly whole?: boolean;
  /** An image under /images that the VM's builder has itself, and puts behind the archive. */
  readonly behind?: readonly [string, CarriedImage];
}

/** `carried`: by file name under /images. */
export function initramfsStep(
  manifest: Manifest,
  carried: Readonly<Record<string, CarriedImage>>,
  { whole = false, behind }: InitramfsOptions = {},
): Step {
  const programNames = (manifest.programs ?? []).map(({ name }) => name);
  const program = programStep(manifest.name, programNames);
  const inside = Object.entries(carried);
  const images = [...inside, ...(behind ? [behind] : [])];
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
      behind: behind?.[0] ?? '',
      // What ldd finds is the machine's: the bytes count, not the versions.
      extras: digestBytes(writeCpio(await extraEntries(programs))),
    }),
    async build(job) {
      const extras = await extraEntries(programs);
      const entries: CpioEntry[] = [
        ...(whole ? [...BASE_ENTRIES, { kind: 'file' as const, ...INIT, bytes: await runtimeBytes(job) }] : []),
        ...(await programEntries(job.artifact(program), ['service', ...programNames])),
        ...extras,
        ...(await Promise.all(inside.map((image) => carriedEntry(job, image)))),
      ];
      const archive = writeCpio(entries, behind && (await fileBehind(job, behind)));
      await writeFile(join(job.outDir, archiveName(manifest.name)), archive);
      const fromDebian = [
        ...extras.map(({ path }) => `/${path}`),
        ...inside.flatMap(([, image]) => ('package' in image ? [image.path] : [])),
      ];
      return { version: job.artifact(program).version, materials: await debianMaterials(fromDebian, job.toolbox) };
    },
  };
}

const BASE_ENTRIES: readonly CpioEntry[] = [
  ...FOLDERS.map((path) => ({ kind: 'directory' as const, path, mode: path === 'tmp' ? 0o1777 : 0o755 })),
  // The kernel opens it as the first program's standard streams, before anything is mounted.
  { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
];

const runtimeBytes = (scope: Scope): Promise<Uint8Array> => readFile(scope.artifact(runtime).path('ennead-rt'));

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
async function carriedEntry(
  scope: Scope,
  [name, image]: readonly [string, CarriedImage],
): Promise<Extract<CpioEntry, { kind: 'file' }>> {
  const bytes = await readFile('step' in image ? scope.artifact(image.step).path(image.file) : image.path);
  return { kind: 'file', path: `images/${name}`, bytes: name.endsWith('.elf') ? compactElf(bytes) : bytes };
}

async function fileBehind(scope: Scope, image: readonly [string, CarriedImage]): Promise<FileBehind> {
  const { path, bytes } = await carriedEntry(scope, image);
  return { path, bytes: bytes.length };
}
