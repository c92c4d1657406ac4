/**
 * `npm run bench:host`: what a split host costs, from one run on one machine. Ratios travel between machines; seconds do not.
 * The split host and a bare domain 0 are booted in turn, several times; the medians are printed.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostImages, killHost, spawnQemu, startHost } from '../src/host/host.ts';
import { hostDirectory } from '../src/host/host-directory.ts';
import { followLines } from '../src/host/serial-log.ts';
import { buildImages, type ImageSet } from '../src/image/build.ts';
import { writeBareDomainZero } from './bare-domain-zero.ts';
import { consoleFirstByteMs, stopByCommand, tableOfServices, toolstackAnswers } from './operator.ts';

const ROUNDS = 3;
const BOOT_TIMEOUT_MS = 120_000;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

async function inTemporaryHost<T>(measure: () => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-bench-'));
  process.env.ENNEAD_HOST_DIR = folder;
  try {
    return await measure();
  } finally {
    await killHost();
    await rm(folder, { recursive: true });
  }
}

/** From QEMU's start until the bare domain 0's program says that it runs. */
async function bareBootMs(images: ImageSet): Promise<number> {
  const directory = hostDirectory();
  const initrd = directory.bootstrapperInitrd;
  await writeBareDomainZero(initrd);
  await writeFile(directory.disk, '');
  const started = performance.now();
  const pid = await spawnQemu(
    directory,
    { xen: images.xen, kernel: images.kernels.pci, initrd },
    {
      memoryMib: 2048,
      cpus: 2,
      iommu: true,
      sshPort: null,
      xenArguments: ['hardware_dom=0'],
      kernelArguments: ['console=hvc0', 'quiet', 'loglevel=5', 'swiotlb=noforce'],
    },
  );
  const abort = AbortSignal.timeout(BOOT_TIMEOUT_MS);
  try {
    for await (const line of followLines(directory.serialLog, abort)) {
      if (line.includes('ennead[bare]: ready')) return performance.now() - started;
    }
    throw new Error(`the bare domain 0 did not boot; see ${directory.serialLog}`);
  } finally {
    process.kill(pid, 'SIGTERM');
  }
}

interface SplitRun {
  readonly bootMs: number;
  readonly services: string;
  readonly consoleMs: number;
}

async function splitBoot(images: ImageSet): Promise<SplitRun> {
  const started = performance.now();
  await startHost({ images: hostImages(images) });
  await toolstackAnswers();
  const bootMs = performance.now() - started;
  const services = await tableOfServices();
  const consoleMs = await consoleFirstByteMs();
  await stopByCommand();
  return { bootMs, services, consoleMs };
}

const images = await buildImages();
const bare: number[] = [];
const split: SplitRun[] = [];
for (let round = 1; round <= ROUNDS; round++) {
  bare.push(await inTemporaryHost(() => bareBootMs(images)));
  split.push(await inTemporaryHost(() => splitBoot(images)));
  console.log(`round ${round}: bare ${seconds(bare.at(-1)!)}, split ${seconds(split.at(-1)!.bootMs)}`);
}
const bareMs = median(bare);
const splitMs = median(split.map(({ bootMs }) => bootMs));
console.log(`
QEMU start → bare domain 0's program   ${seconds(bareMs)}
QEMU start → Toolstack answers         ${seconds(splitMs)}
ratio                                  ${(splitMs / bareMs).toFixed(2)}
create → first console byte            ${seconds(median(split.map(({ consoleMs }) => consoleMs)))}

${split.at(-1)!.services}`);
