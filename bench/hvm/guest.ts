/**
 * The guest of both sides: Debian's kernel, which finds a PC and nothing of Xen, and an initial RAM disk that measures. GRUB reads both from their
 * places on the disk; behind them are a part that is read and one that is written.
 */
import { createCipheriv } from 'node:crypto';
import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type CpioEntry, writeCpio } from '../../src/image/cpio.ts';
import { digestFile, digestTree } from '../../src/image/digest.ts';
import type { Job, Step } from '../../src/image/step.ts';
import { BUSYBOX } from '../../test/guest/probe-guest.ts';
import { GRUB_PACKAGES, putGrub, putSectors, SECTOR_BYTES } from '../../test/hvm-guests/grub.ts';
import { DOMAIN_ZERO_KERNEL, debian, MODULES } from './domain-zero.ts';
import { DISK_READ_MIB, DISK_WRITE_MIB } from './plan.ts';

const FOLDER = join(import.meta.dirname, 'guest');
const APPLETS = ['cut', 'dd', 'insmod', 'ip', 'mount', 'ping', 'sh', 'sleep', 'tr', 'wget'];
const DRIVERS = ['ahci', 'sd_mod', 'e1000'];
const COMMAND_LINE = 'xen_nopv quiet rdinit=/init';

const MIB = 1024 * 1024;
const KERNEL_SECTOR = 2048;
const READ_AT_MIB = 64;
const WRITE_AT_MIB = READ_AT_MIB + DISK_READ_MIB;
const SIZE_MIB = WRITE_AT_MIB + DISK_WRITE_MIB;

export const GUEST_DISK = 'bench.raw';

export const benchGuest: Step = {
  name: 'bench-guest',
  summary: 'a guest that measures its emulated disk and card',
  lane: 'cpu',
  needs: [debian],
  packages: [BUSYBOX.package, 'libc6-dev', ...GRUB_PACKAGES],
  inputs: async () => ({
    recipe: await digestFile(import.meta.filename),
    plan: await digestFile(join(import.meta.dirname, 'plan.ts')),
    grub: await digestFile(join(import.meta.dirname, '..', '..', 'test', 'hvm-guests', 'grub.ts')),
    files: await digestTree(FOLDER),
  }),
  async build(job) {
    const disk = join(job.outDir, GUEST_DISK);
    const kernel = job.artifact(debian).path(DOMAIN_ZERO_KERNEL);
    const initrd = join(job.scratchDir, 'initrd');
    const bytes = join(job.scratchDir, 'bytes');
    await writeFile(initrd, gzipSync(writeCpio(await rootEntries(job))));
    await writeFile(bytes, notEmpty(DISK_READ_MIB * MIB));
    const kernelSectors = await sectorsOf(kernel);
    const configuration = join(job.scratchDir, 'grub.cfg');
    const blocks = (at: number, count: number): string => `(hd0)${at}+${count}`;
    const initrdSector = KERNEL_SECTOR + kernelSectors;
    const initrdSectors = await sectorsOf(initrd);
    await writeFile(
      configuration,
      `linux ${blocks(KERNEL_SECTOR, kernelSectors)} ${COMMAND_LINE}\ninitrd ${blocks(initrdSector, initrdSectors)}\nboot\n`,
    );
    await putGrub(job, { disk, prefix: '(hd0)', modules: ['biosdisk', 'linux'], configuration });
    await putSectors(job, kernel, disk, KERNEL_SECTOR);
    await putSectors(job, initrd, disk, initrdSector);
    await putSectors(job, bytes, disk, (READ_AT_MIB * MIB) / SECTOR_BYTES);
    await truncate(disk, SIZE_MIB * MIB);
    return { version: job.artifact(debian).version };
  },
};

const sectorsOf = async (file: string): Promise<number> => Math.ceil((await stat(file)).size / SECTOR_BYTES);

/** AES in counter mode with a fixed key: no file system keeps them as a hole. */
const notEmpty = (bytes: number): Buffer =>
  createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16, 2)).update(Buffer.alloc(bytes));

async function rootEntries(job: Job): Promise<CpioEntry[]> {
  const say = join(job.scratchDir, 'say');
  await job.run(['gcc', '-Os', '-static', '-Wall', '-Werror', '-o', say, join(FOLDER, 'say.c')]);
  await job.run(['strip', say]);
  const program = async (path: string, file: string): Promise<CpioEntry> => {
    return { kind: 'file', path, mode: 0o755, bytes: await readFile(file) };
  };
  return [
    ...['dev', 'proc', 'sys', 'tmp'].map((path): CpioEntry => ({ kind: 'directory', path })),
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'init', mode: 0o755, bytes: Buffer.from(await script()) },
    await program('bin/busybox', BUSYBOX.path),
    ...APPLETS.map((name): CpioEntry => ({ kind: 'link', path: `bin/${name}`, target: 'busybox' })),
    await program('bin/say', say),
    ...(await moduleEntries(job)),
  ];
}

async function script(): Promise<string> {
  const places = { READ_AT: READ_AT_MIB, READ_MIB: DISK_READ_MIB, WRITE_AT: WRITE_AT_MIB, WRITE_MIB: DISK_WRITE_MIB };
  const text = await readFile(join(FOLDER, 'init'), 'utf8');
  return text.replace(/\b(READ_AT|READ_MIB|WRITE_AT|WRITE_MIB)\b/g, (name) =>
    String(places[name as keyof typeof places]),
  );
}

/** The drivers and what they need, and in which order. */
async function moduleEntries(job: Job): Promise<CpioEntry[]> {
  const modules = join(job.scratchDir, 'modules');
  await job.run(['tar', '--extract', '--file', job.artifact(debian).path(MODULES), '--directory', job.scratchDir]);
  const version = (await job.capture(['ls', modules])).trim();
  const needs = parseNeeds(await readFile(join(modules, version, 'modules.dep'), 'utf8'));
  const order = [...new Set(DRIVERS.flatMap((name) => withNeeds(name, needs)))];
  const names = order.map((path) => path.replace(/.*\//, ''));
  const files = order.map(async (path, index): Promise<CpioEntry> => {
    return { kind: 'file', path: `modules/${names[index]}`, bytes: await readFile(join(modules, version, path)) };
  });
  return [
    ...(await Promise.all(files)),
    { kind: 'file', path: 'modules/order', bytes: Buffer.from(names.map((name) => `${name}\n`).join('')) },
  ];
}

/** `path: path…` in each line: a module, and all that it needs, what is needed first at the end. */
const parseNeeds = (text: string): readonly (readonly string[])[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/:? +|:$/).filter((path) => path !== ''));

function withNeeds(name: string, needs: readonly (readonly string[])[]): string[] {
  const found = needs.find(([path]) => path!.endsWith(`/${name}.ko`));
  if (!found) throw new Error(`Debian's kernel has no module ${name}`);
  return [...found].reverse();
}
