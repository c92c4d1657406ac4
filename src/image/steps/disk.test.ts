import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { QEMU_VOLUME } from '../../contracts/qemu-volume.ts';
import { DISK_LABEL, ext4Label } from '../../services/blkback/disk.ts';
import { buildEnvironment, CommandLog, runCommand } from '../command.ts';
import { toolboxOf } from '../packages.ts';
import type { Artifact, Job, Step } from '../step.ts';
import { EXAMPLE_VOLUME, exampleDisk, hostDisk } from './disk.ts';

const GUEST_BYTES = 64 << 20;
const GUEST_TEXT = 'a boot loader';

let folder: string;
let log: CommandLog;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ennead-disk-'));
  log = new CommandLog(join(folder, 'log'));
  const guest = await open(join(folder, 'guest.raw'), 'w');
  await guest.write(GUEST_TEXT, GUEST_BYTES / 2);
  await guest.truncate(GUEST_BYTES);
  await guest.close();
  await writeFile(join(folder, 'qemu.img'), "QEMU's files");
});
afterEach(async () => {
  await log.close();
  await rm(folder, { recursive: true });
});

/** Builds a disk, with a guest that is nearly all holes; returns the image's path. */
async function build(disk: Step): Promise<string> {
  const [outDir, scratchDir] = [join(folder, 'out'), join(folder, 'scratch')];
  for (const dir of [outDir, scratchDir]) await mkdir(dir);
  const { signal } = new AbortController();
  const job: Job = {
    outDir,
    scratchDir,
    toolbox: toolboxOf(new Map()),
    artifact: () => ({ path: (file: string) => join(folder, file) }) as Artifact,
    sharedDir: async () => scratchDir,
    aptDir: scratchDir,
    run: async (argv, options) => void (await runCommand(argv, log, signal, options)),
    capture: (argv, options) => runCommand(argv, log, signal, options),
    log: (line) => log.line(line),
  };
  await disk.build(job);
  return join(outDir, `${disk.name}.raw`);
}

const debugfs = (image: string, request: string): string =>
  execFileSync('debugfs', ['-R', request, image], { env: buildEnvironment(), encoding: 'utf8', stdio: 'pipe' });

it("the example disk holds the guest's disk as BlkBack would have made it, and no hole of it takes room", async () => {
  const image = await build(exampleDisk);
  const volume = `/volumes/${EXAMPLE_VOLUME}.img`;
  const described = debugfs(image, `stat ${volume}`);
  expect(described).toMatch(/Type: regular +Mode: +0600/);
  expect(described).toMatch(new RegExp(`User: +0 +Group: +0 .*Size: ${GUEST_BYTES}\\b`));
  expect(debugfs(image, 'stat /volumes')).toMatch(/Type: directory +Mode: +0700/);
  debugfs(image, `dump ${volume} ${join(folder, 'back.raw')}`);
  const back = await readFile(join(folder, 'back.raw'));
  expect(back.equals(await readFile(join(folder, 'guest.raw')))).toBe(true);
  const { size, blocks } = await stat(image);
  expect(size).toBe(8 * 2 ** 30);
  expect(blocks * 512).toBeLessThan(32 << 20);
  const start = await open(image);
  const superblock = Buffer.alloc(4096);
  await start.read(superblock, 0, superblock.length, 0);
  await start.close();
  expect(ext4Label(superblock)).toBe(DISK_LABEL);
});

it("the host's disk has QEMU's files as a volume", async () => {
  const image = await build(hostDisk);
  expect(debugfs(image, `cat /volumes/${QEMU_VOLUME}.img`)).toBe("QEMU's files");
});

it("the example disk's volume is the one that the example guest's file names", async () => {
  const text = await readFile(join(import.meta.dirname, '..', '..', '..', 'examples', 'debian.cfg'), 'utf8');
  expect(text).toContain(`disk = [ '${EXAMPLE_VOLUME},raw,xvda,rw' ]`);
});
