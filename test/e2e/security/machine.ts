/** One run of the attack machine in QEMU: boots, listens to the serial line until the test has heard enough, ends. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { spawnQemu } from '../../../src/host/host.ts';
import { hostDirectoryAt } from '../../../src/host/host-directory.ts';
import { monitorCommand } from '../../../src/host/monitor.ts';
import { followLines } from '../../../src/host/serial-log.ts';
import type { AttackImages } from './images.ts';

const MEMORY_MIB = 1024;
const PROCESS_LOOK_MS = 50;

export interface RunOptions {
  /** A folder of its own for each run. */
  readonly directory: string;
  readonly enforcing: boolean;
  /** Told every line of the serial console, once. */
  readonly heardEnough: (line: string) => boolean;
  readonly timeoutMs: number;
}

/** Returns the serial text. Rejects, with its end, when `heardEnough` is not satisfied in time. */
export async function runMachine(images: AttackImages, options: RunOptions): Promise<string> {
  const directory = hostDirectoryAt(options.directory);
  await writeFile(directory.disk, '');
  const pid = await spawnQemu(directory, images, {
    memoryMib: MEMORY_MIB,
    cpus: 2,
    iommu: true,
    sshPort: null,
    // Later words win. Xen drops what it cannot write fast enough: it gets room for all of it.
    xenArguments: [`flask=${options.enforcing ? 'enforcing' : 'permissive'}`, 'serial_tx_buffer=4M'],
    kernelArguments: ['printk.devkmsg=on', 'hostile.part=bootstrapper', `hostile.enforcing=${options.enforcing}`],
  });
  const ended = new AbortController();
  const watch = setInterval(() => existsSync(`/proc/${pid}`) || ended.abort(), PROCESS_LOOK_MS);
  try {
    return await listen(directory.serialLog, options, ended);
  } finally {
    clearInterval(watch);
    await monitorCommand(directory.monitor, 'quit').catch(
      () => existsSync(`/proc/${pid}`) && process.kill(pid, 'SIGKILL'),
    );
    while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, PROCESS_LOOK_MS));
  }
}

async function listen(
  serialLog: string,
  { heardEnough, timeoutMs }: RunOptions,
  ended: AbortController,
): Promise<string> {
  const lines: string[] = [];
  const timer = setTimeout(() => ended.abort(), timeoutMs);
  try {
    for await (const line of followLines(serialLog, ended.signal)) {
      lines.push(line);
      if (heardEnough(line)) return lines.join('\n');
    }
  } finally {
    clearTimeout(timer);
  }
  throw new Error(`the attack machine did not finish; the end of ${serialLog}:\n${lines.slice(-30).join('\n')}`);
}
