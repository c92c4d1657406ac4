/** GRUB, as a BIOS finds it: on the first sectors of a disk, before any partition. */
import { join } from 'node:path';
import type { Job } from '../../src/image/step.ts';

/** Debian's packages with its programs and modules. */
export const GRUB_PACKAGES = ['grub-common', 'grub-pc-bin'];
export const SECTOR_BYTES = 512;
const BOOT_SECTOR = '/usr/lib/grub/i386-pc/boot.img';

export interface Grub {
  readonly disk: string;
  /** Where it looks for its configuration; where there is none, it shows its shell. */
  readonly prefix: string;
  readonly modules: readonly string[];
  /** Commands that it carries itself. */
  readonly configuration?: string;
}

/** Its first sector looks for the rest in the next ones, which is where it is without being told. */
export async function putGrub(job: Job, { disk, prefix, modules, configuration }: Grub): Promise<void> {
  const core = join(job.scratchDir, 'core.img');
  const own = configuration === undefined ? [] : [`--config=${configuration}`];
  await job.run(['grub-mkimage', '--format=i386-pc', `--output=${core}`, `--prefix=${prefix}`, ...own, ...modules]);
  await putSectors(job, BOOT_SECTOR, disk, 0);
  await putSectors(job, core, disk, 1);
}

export const putSectors = (job: Job, from: string, disk: string, sector: number): Promise<void> =>
  job.run([
    'dd',
    `if=${from}`,
    `of=${disk}`,
    `seek=${sector}`,
    `bs=${SECTOR_BYTES}`,
    'conv=sparse,notrunc',
    'status=none',
  ]);
