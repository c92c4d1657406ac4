/** What boots on a PC and is no Linux: Debian's memory test on its CD, and GRUB alone on a disk, which shows its shell. */
import { readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '../../src/image/digest.ts';
import type { Step } from '../../src/image/step.ts';
import { binaryPackage, fetchStep } from '../../src/image/steps/sources.ts';
import { GRUB_PACKAGES, putGrub } from './grub.ts';

const MEMTEST_PACKAGE = 'memtest86+';
export const MEMTEST_CD = 'memtest.iso';

const memtestPackage = fetchStep(
  'memtest-package',
  `Debian's package ${MEMTEST_PACKAGE}`,
  binaryPackage(MEMTEST_PACKAGE),
);

/** The package is unpacked and not installed: what it would do to this machine's boot loader is not wanted. */
export const memtest: Step = {
  name: 'memtest-cd',
  summary: 'a CD with a memory test, for tests',
  lane: 'cpu',
  needs: [memtestPackage],
  packages: [],
  inputs: async () => ({ recipe: await digestFile(import.meta.filename) }),
  async build(job) {
    const folder = join(job.artifact(memtestPackage).dir, 'files');
    for (const file of await readdir(folder))
      await job.run(['dpkg-deb', '--extract', join(folder, file), job.scratchDir]);
    await job.run(['cp', join(job.scratchDir, 'usr/lib/memtest86+/memtest86+x64.iso'), join(job.outDir, MEMTEST_CD)]);
    const { version, materials } = job.artifact(memtestPackage);
    return { version, materials };
  },
};

export const GRUB_DISK = 'grub.raw';
/** The same with its shell on the first serial port, and a clock. */
export const SERIAL_GRUB_DISK = 'serial-grub.raw';
const SERIAL_CONFIGURATION = join(import.meta.dirname, 'serial-grub.cfg');
const DISK_BYTES = 1024 * 1024;

export const grubShell: Step = {
  name: 'grub-disk',
  summary: 'disks with GRUB and nothing to boot, for tests',
  lane: 'cpu',
  needs: [],
  packages: GRUB_PACKAGES,
  inputs: async () => ({
    recipe: await digestFile(import.meta.filename),
    grub: await digestFile(join(import.meta.dirname, 'grub.ts')),
    serial: await digestFile(SERIAL_CONFIGURATION),
  }),
  async build(job) {
    const common = { prefix: '(hd0)/boot/grub', modules: ['biosdisk', 'normal', 'echo'] };
    const disk = join(job.outDir, GRUB_DISK);
    await putGrub(job, { ...common, disk });
    const serialDisk = join(job.outDir, SERIAL_GRUB_DISK);
    const modules = [...common.modules, 'serial', 'terminal', 'date'];
    await putGrub(job, { ...common, modules, disk: serialDisk, configuration: SERIAL_CONFIGURATION });
    for (const path of [disk, serialDisk]) await truncate(path, DISK_BYTES);
    return { version: job.toolbox.versionsOf(['grub-pc-bin']) };
  },
};
