/**
 * An ordinary domain 0: Debian, its kernel, Xen's tools and QEMU from its packages, on one ext4 disk. It has the guest's disk where a virtual host's
 * disk has it.
 */
import { join } from 'node:path';
import { digestFile, digestTree } from '../../src/image/digest.ts';
import type { Step } from '../../src/image/step.ts';
import { DEBIAN_ROOT_PACKAGES, debianRootRecipe, installDebian } from '../../src/image/steps/debian-root.ts';
import { fileSystemRecipe, makeFileSystem } from '../../src/image/steps/file-system.ts';

const FOLDER = join(import.meta.dirname, 'domain-zero', 'root');

const PACKAGES = [
  'busybox',
  'dropbear-bin',
  'iproute2',
  'ipxe-qemu',
  'kmod',
  'linux-image-amd64',
  'qemu-system-xen',
  'seabios',
  'sysvinit-core',
  'tiny-initramfs',
  'usr-is-merged',
  'xen-utils-4.17',
];

const LEFT_OUT = [
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/share/doc/*',
  '/usr/share/info/*',
  '/boot/System.map-*',
  '/lib/modules/*/kernel/arch/x86/kvm/*',
  '/lib/modules/*/kernel/drivers/*',
  '/lib/modules/*/kernel/fs/*',
  '/lib/modules/*/kernel/net/*',
  '/lib/modules/*/kernel/sound/*',
];
/** This machine's controllers, its guest's card, and what domain 0 serves guests with. */
const KEPT = [
  'drivers/ata/*ahci.ko',
  'drivers/ata/libata.ko',
  'drivers/block/loop.ko',
  'drivers/block/xen-blkback/*',
  'drivers/net/ethernet/intel/e1000/*',
  'drivers/net/net_failover.ko',
  'drivers/net/tun.ko',
  'drivers/net/virtio_net.ko',
  'drivers/net/xen-netback/*',
  'drivers/scsi/scsi_common.ko',
  'drivers/scsi/scsi_mod.ko',
  'drivers/scsi/sd_mod.ko',
  'drivers/virtio/*',
  'drivers/xen/*',
  'fs/ext4/*',
  'fs/jbd2/*',
  'fs/mbcache.ko',
  'net/802/*',
  'net/bridge/bridge.ko',
  'net/core/failover.ko',
  'net/llc/*',
].map((path) => `/lib/modules/*/kernel/${path}`);

const SIZE_MIB = 2048;

export const DOMAIN_ZERO_DISK = 'domain-zero.raw';
export const DOMAIN_ZERO_KERNEL = 'vmlinuz';
export const DOMAIN_ZERO_INITRD = 'initrd.img';
/** The kernel's modules, which the guest's initial RAM disk takes its own from. */
export const MODULES = 'modules.tar';

export const debian: Step = {
  name: 'bench-debian',
  summary: "a Debian with Xen's tools, to compare with",
  lane: 'network',
  needs: [],
  newest: true,
  packages: ['e2fsprogs', ...DEBIAN_ROOT_PACKAGES],
  inputs: async () => ({
    recipe: await digestFile(import.meta.filename),
    system: await debianRootRecipe(),
    format: await fileSystemRecipe(),
    files: await digestTree(FOLDER),
  }),
  async build(job) {
    const { codename, root, ownersFile } = await installDebian(job, {
      packages: PACKAGES,
      leftOut: LEFT_OUT,
      kept: KEPT,
      hooks: [
        `sync-in ${FOLDER} /`,
        // The initial RAM disk was made before its configuration came.
        `chroot "$1" sh -ec 'update-tirfs -k "$(ls /lib/modules)"; mkdir /volumes'`,
      ],
    });
    for (const [link, file] of [
      ['vmlinuz', DOMAIN_ZERO_KERNEL],
      ['initrd.img', DOMAIN_ZERO_INITRD],
    ] as const)
      await job.run(['cp', '--dereference', join(root, link), join(job.outDir, file)]);
    await job.run([
      'tar',
      '--create',
      '--file',
      join(job.outDir, MODULES),
      '--directory',
      join(root, 'lib'),
      'modules',
    ]);
    const shape = { label: 'root', uuid: '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000006', sizeMib: SIZE_MIB, inodes: 65_536 };
    await makeFileSystem(job, { image: join(job.outDir, DOMAIN_ZERO_DISK), root, ownersFile, ...shape });
    return { version: `Debian ${codename}`, unhashed: [DOMAIN_ZERO_DISK] };
  },
};
