/**
 * What a Qemu VM and its guest need of the distribution: QEMU with the libraries that it loads, on a file system of its own that becomes a volume of
 * the host (docs/decisions/0022), and hvmloader, the first program of a guest.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { QEMU_PROGRAM } from '../../contracts/qemu-volume.ts';
import { SOURCE_DATE_EPOCH } from '../command.ts';
import { digestFile } from '../digest.ts';
import { parseLdd } from '../extra-files.ts';
import type { Job, Step } from '../step.ts';
import { fileSystemRecipe, makeFileSystem } from './file-system.ts';
import { qemuPackages, xenTools } from './sources.ts';

const LOADER = '/lib64/ld-linux-x86-64.so.2';
/** In the packages, and where the loader looks for libraries. */
const LIBRARY_FOLDERS = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu'];
/** What QEMU opens by name: the ROMs of the emulated screens and network cards, and the keyboard that VNC's key codes refer to. */
const DATA = [
  '/usr/share/seabios/vgabios-stdvga.bin',
  '/usr/share/seabios/vgabios-cirrus.bin',
  '/usr/lib/ipxe/qemu/pxe-e1000.rom',
  '/usr/lib/ipxe/qemu/pxe-rtl8139.rom',
  '/usr/lib/ipxe/qemu/pxe-virtio.rom',
  '/usr/share/qemu/keymaps/en-us',
];
/** Whoever mounts it puts other file systems there. */
const FOLDERS = ['dev', 'run'];

/** 36 MiB of files and what the file system itself takes. */
const SIZE_MIB = 40;
const INODES = 256;

export const QEMU_IMAGE = 'qemu.img';

export const qemuVolume: Step = {
  name: 'qemu-volume',
  summary: 'QEMU and its libraries: a read-only file system for Qemu VMs',
  lane: 'cpu',
  needs: [qemuPackages],
  packages: ['e2fsprogs', 'fakeroot'],
  inputs: async () => ({ recipe: await digestFile(import.meta.filename), format: await fileSystemRecipe() }),
  async build(job) {
    const unpacked = join(job.scratchDir, 'unpacked');
    const root = join(job.scratchDir, 'root');
    await unpack(job, qemuPackages, unpacked);
    for (const path of [LOADER, QEMU_PROGRAM, ...(await librariesOf(job, unpacked)), ...DATA]) {
      await job.run(['install', '-D', '--mode=755', join(unpacked, path), join(root, path)]);
    }
    for (const folder of FOLDERS) await mkdir(join(root, folder));
    await job.run(['find', root, '-exec', 'touch', `--date=@${SOURCE_DATE_EPOCH}`, '{}', '+']);
    const shape = { label: 'ennead-qemu', uuid: '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000004', sizeMib: SIZE_MIB };
    await makeFileSystem(job, { image: join(job.outDir, QEMU_IMAGE), root, ...shape, inodes: INODES, readOnly: true });
    const { version, materials } = job.artifact(qemuPackages);
    return { version, materials };
  },
};

export const HVMLOADER = 'hvmloader';

export const hvmloader: Step = {
  name: 'hvmloader',
  summary: "the first program of a guest without Xen's drivers",
  lane: 'cpu',
  needs: [xenTools],
  packages: [],
  inputs: async () => ({ recipe: await digestFile(import.meta.filename) }),
  async build(job) {
    const unpacked = join(job.scratchDir, 'unpacked');
    await unpack(job, xenTools, unpacked);
    await job.run(['sh', '-c', 'cp "$1"/usr/lib/xen-*/boot/hvmloader "$2"', 'take', unpacked, job.outDir]);
    const { version, materials } = job.artifact(xenTools);
    return { version, materials };
  },
};

async function unpack(job: Job, packages: Step, into: string): Promise<void> {
  const folder = join(job.artifact(packages).dir, 'files');
  for (const file of await readdir(folder)) await job.run(['dpkg-deb', '--extract', join(folder, file), into]);
}

/** The packages' own loader says which of their libraries it would load; the machine's stay out of it. */
async function librariesOf(job: Job, unpacked: string): Promise<string[]> {
  const folders = LIBRARY_FOLDERS.map((folder) => join(unpacked, folder)).join(':');
  const text = await job.capture([
    join(unpacked, LOADER),
    ...['--inhibit-cache', '--library-path', folders, '--list', join(unpacked, QEMU_PROGRAM)],
  ]);
  const libraries = parseLdd(text).filter((path) => path !== join(unpacked, LOADER));
  const foreign = libraries.find((path) => !path.startsWith(`${unpacked}/`));
  if (foreign) throw new Error(`QEMU would load ${foreign}, which is in none of its packages`);
  return libraries.map((path) => path.slice(unpacked.length));
}
