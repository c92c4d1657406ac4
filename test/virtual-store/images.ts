/** The machine's images: the project's hypervisor, kernels, runtime and policy, and domain 0's archive with all that it builds. */
import { readFile, writeFile } from 'node:fs/promises';
import { compactElf } from '../../src/image/compact-elf.ts';
import { type CpioEntry, writeCpio } from '../../src/image/cpio.ts';
import { extraEntries } from '../../src/image/extra-files.ts';
import { initramfs } from '../../src/image/graph.ts';
import { buildSteps } from '../../src/image/images.ts';
import type { Artifact, Step } from '../../src/image/step.ts';
import { archiveName, baseImage } from '../../src/image/steps/initramfs.ts';
import { kernels } from '../../src/image/steps/kernel.ts';
import { policy } from '../../src/image/steps/policy.ts';
import { runtime } from '../../src/image/steps/runtime.ts';
import { xen } from '../../src/image/steps/xen.ts';
import type { ServiceName } from '../../src/kit/manifest.ts';
import { daemons } from './daemons.ts';

const [BASE_NAME, base] = baseImage;
if (!('step' in base)) throw new Error('the base archive is made by a step');
const BASE_STEP = base.step;

const serviceArchive = <S extends ServiceName>(service: S) => ({
  service,
  step: initramfs.get(service)!,
  file: archiveName(service),
});
const STATE = serviceArchive('xenstore-state');
const LOGIC = serviceArchive('xenstore-logic');

export interface Parts {
  path(step: Step, file: string): string;
}

/** What domain 0's archive holds beside kernel and runtime. Programs are those of `programs`. */
export interface Contents {
  readonly programs: Step;
  /** What domain 0 runs. */
  readonly program: string;
  /** What the VMs that it builds run: each program is an archive of its name. */
  readonly vmPrograms: readonly string[];
  readonly server: 'xenstored' | 'oxenstored' | 'ennead';
  /** In place of the own program of one of XenStore's VMs, with what lies beside it. */
  readonly serverPrograms?: Readonly<
    Partial<Record<'xenstore-state' | 'xenstore-logic', readonly [string, ...string[]]>>
  >;
}

/** `own`: the programs, and `daemons` where one of Debian's servers is wanted. */
export async function buildParts(...own: readonly Step[]): Promise<Parts> {
  const all = [xen, kernels.core, kernels.pci, runtime, policy, BASE_STEP, STATE.step, LOGIC.step, ...own];
  const { made }: { made: ReadonlyMap<Step, Artifact> } = await buildSteps(all, {});
  return { path: (step, file) => made.get(step)!.path(file) };
}

export const machineImages = (parts: Parts, initrd: string) => ({
  xen: parts.path(xen, 'xen.elf'),
  kernel: parts.path(kernels.pci, 'pci.elf'),
  policy: parts.path(policy, 'xenpolicy.bin'),
  initrd,
});

/** Writes domain 0's archive to `file`. */
export async function writeDomainZero(parts: Parts, contents: Contents, file: string): Promise<void> {
  const { programs, program, vmPrograms, server } = contents;
  const bytecode = async (name: string, path = `${name}.qbc`): Promise<CpioEntry> => ({
    kind: 'file',
    path,
    bytes: await readFile(parts.path(programs, `${name}.qbc`)),
  });
  const service = (name: string): Promise<CpioEntry> => bytecode(name, 'service.qbc');
  const archive = async (name: string, beside: readonly string[] = []): Promise<Uint8Array> =>
    writeCpio([await service(name), ...(await Promise.all(beside.map((other) => bytecode(other))))]);
  const entries: CpioEntry[] = [
    ...['dev', 'proc', 'sys', 'tmp', 'run'].map((path) => ({ kind: 'directory', path }) as const),
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'init', mode: 0o755, bytes: await readFile(parts.path(runtime, 'ennead-rt')) },
    await service(program),
    image('core.elf', compactElf(await readFile(parts.path(kernels.core, 'core.elf')))),
    image(BASE_NAME, await readFile(parts.path(BASE_STEP, BASE_NAME))),
  ];
  for (const name of vmPrograms) entries.push(image(`${name}.cpio`, await archive(name)));
  if (server !== 'ennead') entries.push(...(await daemonEntries(parts, server)));
  else
    for (const { service: name, step, file: own } of [STATE, LOGIC]) {
      const [other, ...beside] = contents.serverPrograms?.[name] ?? [];
      entries.push(image(own, other ? await archive(other, beside) : await readFile(parts.path(step, own))));
    }
  await writeFile(file, writeCpio(entries));
}

const image = (name: string, bytes: Uint8Array): CpioEntry => ({ kind: 'file', path: `images/${name}`, bytes });

const CONFIGURATION = 'oxenstored.conf';

/** The daemon with its libraries, under the paths that it was compiled for. */
async function daemonEntries(parts: Parts, server: string): Promise<CpioEntry[]> {
  const file = parts.path(daemons, server);
  const entries = await extraEntries([file]);
  return [
    ...entries.map((entry) => (entry.path === file.slice(1) ? { ...entry, path: `usr/sbin/${server}` } : entry)),
    { kind: 'link', path: 'var/run', target: '/run' },
    { kind: 'file', path: `etc/xen/${CONFIGURATION}`, bytes: await readFile(parts.path(daemons, CONFIGURATION)) },
    ...['var/lib/xenstored', 'var/log/xen'].map((path) => ({ kind: 'directory', path }) as const),
  ];
}
