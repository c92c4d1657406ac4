/**
 * A Debian for a PC: a partitioned disk that a BIOS boots, Debian's ordinary kernel, drivers for emulated and for Xen's disks and cards, root logged in on
 * the console. By itself it boots with `xen_nopv`, so that it finds nothing of Xen, and uses the first serial port; beside a second disk with a
 * configuration for GRUB it boots as that says.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile, digestTree } from '../../src/image/digest.ts';
import type { Job, Step } from '../../src/image/step.ts';
import { DEBIAN_ROOT_PACKAGES, debianRootRecipe, installDebian } from '../../src/image/steps/debian-root.ts';
import { fileSystemRecipe, makeFileSystem } from '../../src/image/steps/file-system.ts';
import { GRUB_PACKAGES, putGrub, putSectors, SECTOR_BYTES } from './grub.ts';

const FOLDER = join(import.meta.dirname, 'debian-root');
const KERNEL_FOLDER = join(import.meta.dirname, 'debian-kernel');
export const EMULATED_DEBIAN = 'debian.raw';
/** A disk for SATA, which GRUB reads ten times as fast as one on IDE, with the kernel and what is on its command line. */
export const EMULATED_DEBIAN_KERNEL = 'kernel.raw';

const PACKAGES = [
  'busybox',
  'kmod',
  'linux-image-amd64',
  'sysvinit-core',
  'tiny-initramfs',
  'udhcpc',
  // So that usrmerge, and all of Perl for it, need not be configured.
  'usr-is-merged',
];

const LEFT_OUT = [
  '/usr/share/{man,locale,doc,info,zoneinfo}/*',
  '/boot/System.map-*',
  '/lib/modules/*/kernel/{drivers,fs,net,sound}/*',
  '/lib/modules/*/kernel/arch/x86/kvm/*',
].flatMap(braces);

const KEPT = [
  'drivers/acpi/button.ko',
  'drivers/ata/{libata,ata_generic,ata_piix,ahci,libahci}.ko',
  'drivers/scsi/{scsi_mod,scsi_common,sd_mod,sr_mod}.ko',
  'drivers/cdrom/*',
  'drivers/net/{mii,net_failover,virtio_net}.ko',
  'drivers/net/ethernet/intel/e1000/*',
  'drivers/net/ethernet/realtek/{8139cp,8139too}.ko',
  'drivers/input/evdev.ko',
  'drivers/virtio/*',
  'drivers/block/xen-blkfront.ko',
  'drivers/net/xen-netfront.ko',
  'fs/{ext4,jbd2}/*',
  'fs/{mbcache,isofs/isofs}.ko',
  'net/core/failover.ko',
]
  .flatMap(braces)
  .map((path) => `/lib/modules/*/kernel/${path}`);

/** Where the one partition begins, as partitioning programs have it; GRUB's core lies in the gap before it. */
const PARTITION_SECTOR = 2048;
const SIZE_MIB = 384;
const FILE_SYSTEM_UUID = '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000005';

const KERNEL_MIB = 24;
const KERNEL_INODES = 32;
const KERNEL_UUID = '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000006';

export const emulatedDebian: Step = {
  name: 'emulated-debian',
  summary: 'a Debian that knows nothing of Xen, for tests',
  lane: 'network',
  needs: [],
  newest: true,
  packages: ['e2fsprogs', ...DEBIAN_ROOT_PACKAGES, ...GRUB_PACKAGES],
  inputs: async () => ({
    recipe: await digestFile(import.meta.filename),
    system: await debianRootRecipe(),
    format: await fileSystemRecipe(),
    files: await digestTree(FOLDER),
    kernel: await digestTree(KERNEL_FOLDER),
    grub: await digestFile(join(import.meta.dirname, 'grub.ts')),
  }),
  async build(job) {
    const { codename, root, ownersFile } = await installDebian(job, {
      packages: PACKAGES,
      leftOut: LEFT_OUT,
      kept: KEPT,
      hooks: [
        `sync-in ${FOLDER} /`,
        // The initial RAM disk was made before its configuration came.
        `chroot "$1" sh -ec 'update-tirfs -k "$(ls /lib/modules)"'`,
      ],
    });
    const image = join(job.scratchDir, 'root.img');
    const shape = { label: 'root', uuid: FILE_SYSTEM_UUID, sizeMib: SIZE_MIB, inodes: 32_768 };
    await makeFileSystem(job, { image, root, ownersFile, ...shape });
    await assemble(job, image);
    await makeKernelDisk(job, root);
    return { version: `Debian ${codename}`, unhashed: [EMULATED_DEBIAN, EMULATED_DEBIAN_KERNEL] };
  },
};

async function makeKernelDisk(job: Job, debian: string): Promise<void> {
  const root = join(job.scratchDir, 'kernel');
  for (const file of [join(debian, 'vmlinuz'), join(debian, 'initrd.img'), join(KERNEL_FOLDER, 'grub.cfg')])
    await job.run(['install', '-D', '--mode=644', '--target-directory', root, file]);
  const shape = { label: 'kernel', uuid: KERNEL_UUID, sizeMib: KERNEL_MIB, inodes: KERNEL_INODES };
  await makeFileSystem(job, { image: join(job.outDir, EMULATED_DEBIAN_KERNEL), root, readOnly: true, ...shape });
}

async function assemble(job: Job, image: string): Promise<void> {
  const disk = join(job.outDir, EMULATED_DEBIAN);
  const modules = ['biosdisk', 'part_msdos', 'ext2', 'linux', 'normal', 'serial', 'terminal', 'test', 'configfile'];
  await putGrub(job, { disk, prefix: '(hd0,msdos1)/boot/grub', modules });
  await putSectors(job, image, disk, PARTITION_SECTOR);
  const sectors = (SIZE_MIB * 1024 * 1024) / SECTOR_BYTES;
  const table = join(job.scratchDir, 'partition');
  await writeFile(table, partitionEntry(PARTITION_SECTOR, sectors));
  await job.run(['dd', `if=${table}`, `of=${disk}`, 'seek=446', 'bs=1', 'conv=notrunc', 'status=none']);
}

/** One active Linux partition and the table's signature. The old addresses by cylinder say "too far". */
function partitionEntry(first: number, sectors: number): Uint8Array {
  const bytes = new Uint8Array(66);
  bytes.set([0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, first, true);
  view.setUint32(12, sectors, true);
  view.setUint16(64, 0xaa55, true);
  return bytes;
}

/** `a{b,c}d` as a shell has it: dpkg's patterns know no alternatives. */
function braces(pattern: string): string[] {
  const [, before, choices, after] = /^([^{]*)\{([^}]*)\}(.*)$/.exec(pattern) ?? [];
  if (choices === undefined) return [pattern];
  return choices.split(',').flatMap((choice) => braces(`${before}${choice}${after}`));
}
