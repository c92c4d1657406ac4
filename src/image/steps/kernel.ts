/** The three kernels of service VMs, built one after the other in one tree, so that kbuild reuses what they share. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOURCE_DATE_EPOCH } from '../command.ts';
import { digestBytes, digestFile } from '../digest.ts';
import { formatFragment, parseFragment, unmetOptions } from '../kconfig.ts';
import type { Job, Step } from '../step.ts';
import { linuxSource } from './sources.ts';

export type KernelName = 'core' | 'pci' | 'driver';

const FOLDER = join(import.meta.dirname, '..', 'kernel');
const PATCHES = [
  'compact-image',
  'known-device',
  'no-mp-table',
  'pciback-answers',
  'scatterlist-pools',
  'tap-without-ip',
  'xen-frequency',
].map((name) => join(FOLDER, `${name}.patch`));
const FRAGMENTS: Record<KernelName, readonly string[]> = {
  core: ['base', 'core'],
  pci: ['base', 'pci'],
  driver: ['base', 'pci', 'driver'],
};

/** Other architectures, and drivers that no service VM has: most of the source, and its unpacking, for nothing. Kconfig files must stay. */
const LEFT_OUT = [
  '*/arch/[!x]*/*.[chS]',
  '*/drivers/gpu/*.[ch]',
  '*/drivers/infiniband/*.[ch]',
  '*/drivers/media/*.[ch]',
  '*/drivers/net/wireless/*.[ch]',
  '*/drivers/staging/*.[ch]',
  '*/sound/*.[ch]',
  '*/Documentation/*.rst',
  '*/Documentation/devicetree',
  '*/arch/*/boot/dts',
  '*/tools/testing',
  '*/tools/perf',
];

const STAMP = {
  KBUILD_BUILD_TIMESTAMP: `@${SOURCE_DATE_EPOCH}`,
  KBUILD_BUILD_USER: 'ennead',
  KBUILD_BUILD_HOST: 'ennead',
  KBUILD_BUILD_VERSION: '1',
};

const PACKAGES = [
  'bc',
  'binutils',
  'bison',
  'dpkg-dev',
  'flex',
  'gcc-12',
  'libc6-dev',
  'libelf-dev',
  'make',
  'xz-utils',
];

function kernelStep(name: KernelName): Step {
  const wantedOptions = async (): Promise<string> => {
    const texts = await Promise.all(FRAGMENTS[name].map((part) => readFile(join(FOLDER, `${part}.config`), 'utf8')));
    return formatFragment(parseFragment(texts.join('\n')));
  };
  return {
    name: `kernel-${name}`,
    summary: `Linux for service VMs, configuration '${name}'`,
    lane: 'kernel',
    needs: [linuxSource],
    packages: PACKAGES,
    inputs: async () => ({
      recipe: await digestFile(import.meta.filename),
      patches: await digestOfPatches(),
      options: await wantedOptions(),
    }),
    async build(job) {
      const { version, materials, digest } = job.artifact(linuxSource);
      // Another source, patch or compiler must not meet this tree's objects.
      const tools = job.toolbox.versionsOf(PACKAGES);
      const tree = await job.sharedDir(
        `linux-${digestBytes([digest, await digestOfPatches(), tools].join()).slice(0, 12)}`,
      );
      const source = await unpackedSource(job, tree);
      await compile(job, source, join(tree, 'objects'), await wantedOptions());
      await job.run(['strip', '--strip-all', '-o', join(job.outDir, `${name}.elf`), join(tree, 'objects', 'vmlinux')]);
      return { version, materials };
    },
  };
}

export const kernels: Readonly<Record<KernelName, Step>> = {
  core: kernelStep('core'),
  pci: kernelStep('pci'),
  driver: kernelStep('driver'),
};

const digestOfPatches = async (): Promise<string> => digestBytes((await Promise.all(PATCHES.map(digestFile))).join());

async function unpackedSource(job: Job, tree: string): Promise<string> {
  const source = join(tree, 'source');
  const complete = join(tree, 'unpacked');
  if (await stat(complete).catch(() => undefined)) return source;
  const { files, path } = job.artifact(linuxSource);
  const archive = path(Object.keys(files)[0]!);
  const script = [
    'set -o pipefail; rm -rf "$2"; mkdir -p "$2"',
    `dpkg-deb --fsys-tarfile "$1" | tar --extract --to-stdout --wildcards './usr/src/*.tar.xz' | xz --decompress \\`,
    `  | tar --extract --directory "$2" --strip-components=1 ${LEFT_OUT.map((glob) => `--exclude='${glob}'`).join(' ')}`,
  ];
  await job.run(['bash', '-c', script.join('\n'), 'unpack', archive, source]);
  for (const patch of PATCHES) await job.run(['patch', '--strip=1', '--directory', source, '--input', patch]);
  await writeFile(complete, '');
  return source;
}

async function compile(job: Job, source: string, objects: string, wanted: string): Promise<void> {
  const fragment = join(job.scratchDir, 'fragment.config');
  const config = join(objects, '.config');
  const make = ['make', '-j2', '-C', source, `O=${objects}`];
  const env = STAMP;
  await job.run(['mkdir', '-p', objects]);
  await writeFile(fragment, wanted);
  await job.run([...make, `KCONFIG_ALLCONFIG=${fragment}`, 'tinyconfig'], { env });
  // tinyconfig's own choices (of allocator, of compression) outrank the fragment; said again, it outranks them.
  await writeFile(config, (await readFile(config, 'utf8')) + wanted);
  await job.run([...make, 'olddefconfig'], { env });
  const unmet = unmetOptions(wanted, await readFile(config, 'utf8'));
  if (unmet.length > 0) throw new Error(`the kernel's configuration dropped ${unmet.join(', ')}`);
  await job.run([...make, 'vmlinux'], { env });
}
