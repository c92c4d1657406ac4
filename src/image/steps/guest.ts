/** The example guest: a small Debian with its own kernel, started by PV GRUB. Chosen to boot fast on an emulated processor. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile, digestTree } from '../digest.ts';
import type { Material, Step } from '../step.ts';
import { DEBIAN_ROOT_PACKAGES, debianRootRecipe, installDebian } from './debian-root.ts';
import { fileSystemRecipe, makeFileSystem } from './file-system.ts';

const FOLDER = join(import.meta.dirname, '..', 'guest');
/** Written by finish.sh, in the new system's root; not part of the guest. */
const PACKAGE_LIST = 'packages.list';
const SIZE_MIB = 1024;
const FILE_SYSTEM_UUID = '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000002';

/** System V init and no udev: the login prompt comes in a third of the time that systemd takes when emulated. */
const PACKAGES = [
  'busybox',
  'ifupdown',
  'iproute2',
  'kmod',
  'linux-image-cloud-amd64',
  'lz4',
  'netbase',
  'procps',
  'sysvinit-core',
  'tiny-initramfs',
  'udhcpc',
  // So that finish.sh can take usrmerge away.
  'usr-is-merged',
];

/** Documentation, translations, and modules for machines that no guest is: what is left travels to the host when it is imported. */
const LEFT_OUT = [
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/share/doc/*',
  '/usr/share/info/*',
  '/usr/share/bash-completion/*',
  '/usr/share/zoneinfo/*',
  '/boot/System.map-*',
  '/lib/modules/*/kernel/arch/x86/kvm/*',
  '/lib/modules/*/kernel/drivers/*',
  '/lib/modules/*/kernel/fs/*',
  '/lib/modules/*/kernel/net/*',
];

/** Counts more than what is left out. */
const KEPT = [
  '/usr/share/zoneinfo/Etc*',
  '/lib/modules/*/kernel/drivers/block/xen-blkfront.ko',
  '/lib/modules/*/kernel/drivers/block/loop.ko',
  '/lib/modules/*/kernel/drivers/net/dummy.ko',
  '/lib/modules/*/kernel/drivers/net/tun.ko',
  '/lib/modules/*/kernel/drivers/net/veth.ko',
  '/lib/modules/*/kernel/drivers/net/xen-netfront.ko',
  '/lib/modules/*/kernel/fs/fuse/*',
  '/lib/modules/*/kernel/fs/overlayfs/*',
  '/lib/modules/*/kernel/net/802/*',
  '/lib/modules/*/kernel/net/8021q/*',
  '/lib/modules/*/kernel/net/bridge/*',
  '/lib/modules/*/kernel/net/llc/*',
];

export const exampleGuest: Step = {
  name: 'guest-disk',
  summary: 'the example guest: Debian with its own kernel, on one ext4 disk',
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
        `sync-in ${join(FOLDER, 'root')} /`,
        `PACKAGE_LIST=${PACKAGE_LIST} ${join(FOLDER, 'finish.sh')} "$1"`,
        `copy-out /${PACKAGE_LIST} ${job.scratchDir}`,
        `rm "$1/${PACKAGE_LIST}"`,
      ],
    });
    const image = join(job.outDir, 'guest.raw');
    await makeFileSystem(job, {
      image,
      root,
      label: 'guest',
      uuid: FILE_SYSTEM_UUID,
      sizeMib: SIZE_MIB,
      inodes: 65_536,
      ownersFile,
    });
    const packages = await readFile(join(job.scratchDir, PACKAGE_LIST), 'utf8');
    return { version: `Debian ${codename}`, materials: parsePackageList(packages) };
  },
};

/** What finish.sh writes: a line for each package. */
function parsePackageList(text: string): Material[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, name, version, sha256] = /^(\S+) (\S+) ([0-9a-f]{64})$/.exec(line) ?? [];
      if (!name || !version || !sha256) throw new Error(`the list of the guest's packages has the line '${line}'`);
      return { name, version, sha256 };
    });
}
