/** The images of the attack machine: the project's own hypervisor, kernels and runtime, with the hostile program and the attack policy. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { compactElf } from '../../../src/image/compact-elf.ts';
import { type CpioEntry, writeCpio } from '../../../src/image/cpio.ts';
import { buildSteps } from '../../../src/image/images.ts';
import { kernels } from '../../../src/image/steps/kernel.ts';
import { HVMLOADER, hvmloader } from '../../../src/image/steps/qemu.ts';
import { runtime } from '../../../src/image/steps/runtime.ts';
import { xen } from '../../../src/image/steps/xen.ts';
import { compilePolicies, type Policies } from './attack-policy.ts';
import { EMULATOR, emulator } from './emulator.ts';
import { tinyKernel } from './tiny-kernel.ts';

const run = promisify(execFile);

/** A page: of HVM domains that never run. */
const FIRMWARE_BYTES = 4096;

/** Paths of what the image builder has made. */
export interface Parts {
  readonly xen: string;
  readonly classDirectory: string;
  readonly coreKernel: string;
  readonly pciKernel: string;
  readonly runtime: string;
  readonly hvmloader: string;
  readonly emulator: string;
}

export async function builtParts(): Promise<Parts> {
  const { made } = await buildSteps([xen, kernels.core, kernels.pci, runtime, hvmloader, emulator], {});
  const hypervisor = made.get(xen)!.path('xen.elf');
  return {
    xen: hypervisor,
    classDirectory: dirname(hypervisor),
    coreKernel: made.get(kernels.core)!.path('core.elf'),
    pciKernel: made.get(kernels.pci)!.path('pci.elf'),
    runtime: made.get(runtime)!.path('ennead-rt'),
    hvmloader: made.get(hvmloader)!.path(HVMLOADER),
    emulator: made.get(emulator)!.path(EMULATOR),
  };
}

export interface AttackImages {
  readonly xen: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly policy: string;
}

/** Made in `directory`. */
export async function makeImages(
  parts: Parts,
  directory: string,
): Promise<{ images: AttackImages; policies: Policies }> {
  const at = (name: string) => join(directory, name);
  await bundleProgram(at('hostile.mjs'));
  await run(parts.runtime, ['--compile', at('hostile.mjs'), at('service.qbc')]);
  const file = async (path: string, source: string): Promise<CpioEntry> => ({
    kind: 'file',
    path,
    mode: 0o755,
    bytes: await readFile(source),
  });
  const hostile = writeCpio([
    ...['proc', 'sys', 'tmp', 'run'].map((path) => ({ kind: 'directory' as const, path })),
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    await file('init', parts.runtime),
    await file('emulator', parts.emulator),
    await file('service.qbc', at('service.qbc')),
    { kind: 'file', path: 'images/tiny.elf', bytes: tinyKernel() },
  ]);
  const forBuilder: CpioEntry[] = [
    { kind: 'file', path: 'images/core.elf', bytes: compactElf(await readFile(parts.coreKernel)) },
    { kind: 'file', path: 'images/hostile.cpio', bytes: hostile },
    await file('images/hvmloader', parts.hvmloader),
    { kind: 'file', path: 'images/firmware', bytes: new Uint8Array(FIRMWARE_BYTES) },
  ];
  const forBootstrapper: CpioEntry[] = [
    ...forBuilder,
    { kind: 'file', path: 'images/for-builder.cpio', bytes: writeCpio(forBuilder) },
  ];
  await writeFile(at('initrd'), Buffer.concat([hostile, writeCpio(forBootstrapper)]));
  const policies = compilePolicies(parts.classDirectory);
  await writeFile(at('policy'), policies.attack);
  return { images: { xen: parts.xen, kernel: parts.pciKernel, initrd: at('initrd'), policy: at('policy') }, policies };
}

async function bundleProgram(outfile: string): Promise<void> {
  await build({
    entryPoints: [join(import.meta.dirname, 'hostile', 'main.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2023',
    external: ['ennead:rt'],
    logLevel: 'silent',
  });
}
