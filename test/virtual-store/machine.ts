/** A virtual host with one XenStore server, Debian's in domain 0 or Ennead's in its two VMs: boots, is listened to on its serial line, ends. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BootParameters, encodeBootParameters } from '../../src/contracts/boot-parameters.ts';
import { spawnQemu } from '../../src/host/host.ts';
import { type HostDirectory, hostDirectoryAt } from '../../src/host/host-directory.ts';
import { endsWithin, processEnd } from '../../src/host/process-end.ts';
import { followLines } from '../../src/host/serial-log.ts';
import { type Contents, machineImages, type Parts, writeDomainZero } from './images.ts';

const DOMAIN_ZERO_MEMORY_MIB = 192;
const END_TIMEOUT_MS = 10_000;
const LINES_SHOWN = 30;
const MACHINE_FAILED = /\(XEN\) (Panic on CPU|Hardware Dom0 )/;
const PROGRAM_FAILED = /ennead\[([\w-]+)\]: failed: /;

export interface Run {
  readonly contents: Contents;
  readonly memoryMib: number;
  /** For domain 0's program. */
  readonly parameters: BootParameters;
  readonly timeoutMs: number;
  /** See src/host/qemu.ts. */
  readonly countInstructions?: boolean;
  /** Programs that may fail and be started again. */
  readonly mayFail?: readonly string[];
  /** Told every line of the serial console, once; true: that is all. */
  readonly heardEnough: (line: string) => boolean;
  readonly signal?: AbortSignal;
}

/** @throws with the end of what was heard: when it is aborted, when something fails, and when it takes too long */
export async function runMachine(parts: Parts, run: Run): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-store-'));
  try {
    const directory = hostDirectoryAt(folder);
    await writeFile(directory.disk, '');
    await writeDomainZero(parts, run.contents, directory.bootstrapperInitrd);
    const pid = await start(parts, directory, run);
    try {
      await listenWhileItRuns(pid, directory.serialLog, run);
    } finally {
      if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGTERM');
      await endsWithin(pid, END_TIMEOUT_MS);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

function start(
  parts: Parts,
  directory: HostDirectory,
  { memoryMib, parameters, countInstructions }: Run,
): Promise<number> {
  const dom0 = `${DOMAIN_ZERO_MEMORY_MIB}M`;
  return spawnQemu(directory, machineImages(parts, directory.bootstrapperInitrd), {
    memoryMib,
    cpus: 2,
    sshPort: null,
    iommu: false,
    ...(countInstructions && { countInstructions }),
    // The policy knows no domain 0 that serves XenStore, so it is asked and not obeyed. Of an option that is given twice Xen takes the last.
    xenArguments: ['hardware_dom=0', 'flask=permissive', `dom0_mem=${dom0},max:${dom0}`],
    kernelArguments: [
      ...['console=hvc0', 'quiet', 'loglevel=4', 'printk.devkmsg=on', 'pci=off', 'acpi=off', 'swiotlb=noforce'],
      encodeBootParameters(parameters),
    ],
  });
}

async function listenWhileItRuns(pid: number, serialLog: string, run: Run): Promise<void> {
  const over = new AbortController();
  const ended = processEnd(pid, over.signal).then(() => over.abort());
  const signals = [over.signal, AbortSignal.timeout(run.timeoutMs), ...(run.signal ? [run.signal] : [])];
  try {
    await listen(serialLog, run, AbortSignal.any(signals));
  } finally {
    over.abort();
    await ended;
  }
}

async function listen(
  serialLog: string,
  { contents, heardEnough, mayFail = [] }: Run,
  signal: AbortSignal,
): Promise<void> {
  const lines: string[] = [];
  for await (const line of followLines(serialLog, signal)) {
    lines.push(line);
    if (heardEnough(line)) return;
    const [, failed] = PROGRAM_FAILED.exec(line) ?? [];
    if (MACHINE_FAILED.test(line) || (failed && !mayFail.includes(failed))) break;
  }
  throw new Error(`the host with ${contents.server} did not finish:\n${lines.slice(-LINES_SHOWN).join('\n')}`);
}
