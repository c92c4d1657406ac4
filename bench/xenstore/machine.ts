/** One run: boots the machine with one server and some clients, and listens to its serial line until all is measured. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeBootParameters } from '../../src/contracts/boot-parameters.ts';
import { spawnQemu } from '../../src/host/host.ts';
import { type HostDirectory, hostDirectoryAt } from '../../src/host/host-directory.ts';
import { endsWithin, processEnd } from '../../src/host/process-end.ts';
import { followLines } from '../../src/host/serial-log.ts';
import type { Orders } from './conductor/conduct.ts';
import { ordersParameters } from './conductor/orders.ts';
import { machineImages, type Parts, writeDomainZero } from './images.ts';
import { DONE, decodeResult, operations, type Result, type Server } from './plan.ts';

const MEMORY_MIB = 1024;
/** A client's own, and what Xen keeps for it. */
const CLIENT_MEMORY_MIB = 26;
const DOMAIN_ZERO_MEMORY_MIB = 192;
const END_TIMEOUT_MS = 10_000;
/** To boot a host and a client. */
const BOOT_TIMEOUT_MS = 120_000;
const CLIENT_TIMEOUT_MS = 10_000;
const LINES_SHOWN = 30;
const FAILED = /ennead\[[\w-]+\]: failed: |\(XEN\) (Panic on CPU|Hardware Dom0 )/;

export interface Run extends Orders {
  readonly server: Server;
}

/** @throws when it is aborted, when something fails, and when it takes too long */
export async function measureServer(parts: Parts, run: Run, signal: AbortSignal): Promise<Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-bench-'));
  try {
    const directory = hostDirectoryAt(folder);
    await writeFile(directory.disk, '');
    await writeDomainZero(parts, run.server, directory.bootstrapperInitrd);
    const pid = await start(parts, directory, run);
    try {
      return await listenWhileItRuns(pid, directory.serialLog, run, signal);
    } finally {
      if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGTERM');
      await endsWithin(pid, END_TIMEOUT_MS);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

function start(parts: Parts, directory: HostDirectory, { server, ...orders }: Run): Promise<number> {
  const dom0 = `${DOMAIN_ZERO_MEMORY_MIB}M`;
  return spawnQemu(directory, machineImages(parts, directory.bootstrapperInitrd), {
    memoryMib: MEMORY_MIB + orders.clients * CLIENT_MEMORY_MIB,
    cpus: 2,
    sshPort: null,
    iommu: false,
    // The policy knows no domain 0 that serves XenStore, so it is asked and not obeyed. Of an option that is given twice Xen takes the last.
    xenArguments: ['hardware_dom=0', 'flask=permissive', `dom0_mem=${dom0},max:${dom0}`],
    kernelArguments: [
      ...['console=hvc0', 'quiet', 'loglevel=4', 'printk.devkmsg=on', 'pci=off', 'acpi=off', 'swiotlb=noforce'],
      encodeBootParameters({ server, ...ordersParameters(orders) }),
    ],
  });
}

async function listenWhileItRuns(pid: number, serialLog: string, run: Run, signal: AbortSignal): Promise<Result[]> {
  const { clients, durationMs } = run;
  const timeoutMs = BOOT_TIMEOUT_MS + clients * CLIENT_TIMEOUT_MS + 2 * durationMs * operations.length;
  const over = new AbortController();
  const ended = processEnd(pid, over.signal).then(() => over.abort());
  try {
    return await listen(serialLog, run, AbortSignal.any([signal, over.signal, AbortSignal.timeout(timeoutMs)]));
  } finally {
    over.abort();
    await ended;
  }
}

async function listen(serialLog: string, { server, clients }: Run, signal: AbortSignal): Promise<Result[]> {
  const results: Result[] = [];
  const lines: string[] = [];
  for await (const line of followLines(serialLog, signal)) {
    lines.push(line);
    const result = decodeResult(line);
    if (result) results.push(result);
    if (line.includes(DONE)) return results;
    if (FAILED.test(line)) break;
  }
  throw new Error(`${server} with ${clients} clients was not measured:\n${lines.slice(-LINES_SHOWN).join('\n')}`);
}
