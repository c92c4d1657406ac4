/**
 * `npm run bench:host`: what a split host costs, from one run on one machine. Ratios travel between machines; seconds do not.
 * The split host and a bare domain 0 are booted in turn on the same virtual machine, several times; the medians are printed.
 */
import { writeFile } from 'node:fs/promises';
import { hostImages, spawnQemu, startHost, stopHost } from '../src/host/host.ts';
import { hostDirectory } from '../src/host/host-directory.ts';
import { endsWithin } from '../src/host/process-end.ts';
import { followLines } from '../src/host/serial-log.ts';
import { buildImages, type ImageSet } from '../src/image/build.ts';
import { writeBareDomainZero } from './bare-domain-zero.ts';
import { median } from './median.ts';
import {
  consoleFirstByteMs,
  type ServiceMemory,
  serviceMemory,
  stopHostByToolstack,
  toolstackAnswers,
} from './operator.ts';
import { inTemporaryHost, MACHINE } from './temporary-host.ts';

const ROUNDS = 5;
const BOOT_TIMEOUT_MS = 120_000;
const END_TIMEOUT_MS = 10_000;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

/** From QEMU's start until the bare domain 0's program says that it runs. */
async function bareBootMs(images: ImageSet): Promise<number> {
  const directory = hostDirectory();
  const initrd = directory.bootstrapperInitrd;
  await writeBareDomainZero(initrd);
  await writeFile(directory.disk, '');
  const startedMs = performance.now();
  const pid = await spawnQemu(
    directory,
    { xen: images.xen, kernel: images.kernels.pci, initrd },
    {
      ...MACHINE,
      sshPort: null,
      // There is no policy to enforce; of an option that is given twice Xen takes the last.
      xenArguments: ['hardware_dom=0', 'flask=disabled'],
      kernelArguments: ['console=hvc0', 'quiet', 'loglevel=4', 'printk.devkmsg=on', 'swiotlb=noforce'],
    },
  );
  try {
    for await (const line of followLines(directory.serialLog, AbortSignal.timeout(BOOT_TIMEOUT_MS))) {
      if (line.includes('ennead[bare]: ready')) return performance.now() - startedMs;
    }
    throw new Error(`the bare domain 0 did not boot; see ${directory.serialLog}`);
  } finally {
    process.kill(pid, 'SIGTERM');
    await endsWithin(pid, END_TIMEOUT_MS);
  }
}

interface SplitRun {
  readonly bootMs: number;
  readonly memory: ServiceMemory;
  readonly consoleMs: number;
}

async function splitBoot(images: ImageSet): Promise<SplitRun> {
  const { startedAt } = await startHost({ images: hostImages(images), ...MACHINE });
  await toolstackAnswers();
  const bootMs = Date.now() - Date.parse(startedAt ?? '');
  const memory = await serviceMemory();
  const consoleMs = await consoleFirstByteMs();
  await stopHost(async () => void (await stopHostByToolstack()));
  return { bootMs, memory, consoleMs };
}

const images = await buildImages();
const bare: number[] = [];
const split: SplitRun[] = [];
for (let round = 1; round <= ROUNDS; round++) {
  bare.push(await inTemporaryHost(() => bareBootMs(images)));
  split.push(await inTemporaryHost(() => splitBoot(images)));
  const { bootMs, consoleMs } = split.at(-1)!;
  console.log(`round ${round}: bare ${seconds(bare.at(-1)!)}, split ${seconds(bootMs)}, console ${seconds(consoleMs)}`);
}
const bareMs = median(bare);
const splitMs = median(split.map(({ bootMs }) => bootMs));
const { table, totalMib } = split.at(-1)!.memory;
console.log(`
QEMU start → bare domain 0's program   ${seconds(bareMs)}
QEMU start → Toolstack answers         ${seconds(splitMs)}
ratio                                  ${(splitMs / bareMs).toFixed(2)}
create → first console byte            ${seconds(median(split.map(({ consoleMs }) => consoleMs)))}
memory of all service VMs              ${totalMib} MiB

${table}`);
