import { access, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type HostDirectory, hostDirectoryAt } from './host-directory.ts';
import { type SetUpImages, setUpHost } from './set-up.ts';

const DISK_BYTES = 64 << 20;
const SSH_PORT = 2222;

let folder: string;
let directory: HostDirectory;
let images: SetUpImages;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ennead-set-up-'));
  directory = hostDirectoryAt(join(folder, 'host'));
  images = { bootstrapper: join(folder, 'bootstrapper.cpio'), disk: join(folder, 'disk.raw') };
  await writeFile(images.bootstrapper, 'an archive');
  const disk = await open(images.disk, 'w');
  await disk.write('ext4', 1024);
  await disk.truncate(DISK_BYTES);
  await disk.close();
});
afterEach(() => rm(folder, { recursive: true }));

const failure = (): Promise<unknown> =>
  setUpHost(directory, images, SSH_PORT).then(
    () => 'no failure',
    (error: unknown) => error,
  );

it('a new host has keys, a disk that takes no more room than what is on it, and its part of the initramfs', async () => {
  await setUpHost(directory, images, SSH_PORT);
  const { size, blocks } = await stat(directory.disk);
  expect(size).toBe(DISK_BYTES);
  expect(blocks * 512).toBeLessThan(1 << 20);
  expect(await readFile(directory.knownHosts, 'utf8')).toMatch(/^\[127\.0\.0\.1\]:2222 ssh-ed25519 \S+\n$/);
  expect(await readFile(directory.bootstrapperInitrd, 'latin1')).toMatch(/^an archive.*restrict,no-port-forwarding/s);
  expect((await readdir(directory.path)).filter((name) => name.endsWith('.new'))).toEqual([]);
});

it('a host that has been set up keeps its keys and its disk', async () => {
  await setUpHost(directory, images, SSH_PORT);
  const key = await readFile(directory.identity, 'utf8');
  await writeFile(directory.disk, 'with volumes');
  await setUpHost(directory, images, SSH_PORT + 1);
  expect(await readFile(directory.identity, 'utf8')).toBe(key);
  expect(await readFile(directory.disk, 'utf8')).toBe('with volumes');
});

it('a failure says why in one line, has its code, and leaves no half-made file', async () => {
  await rm(images.disk);
  expect(await failure()).toMatchObject({
    code: 'set-up-failed',
    message: expect.stringMatching(/^the virtual host in \S+ cannot be set up: cp: .*disk\.raw.*No such file.*$/),
  });
  expect((await readdir(directory.path)).filter((name) => /\.new$|^disk/.test(name))).toEqual([]);
  await expect(access(directory.disk)).rejects.toThrow('ENOENT');
});

it("a guest image that Builder's list cannot name is refused with what it should be called", async () => {
  await setUpHost(directory, images, SSH_PORT);
  await writeFile(join(directory.guestImages, 'Kernel'), '');
  expect(await failure()).toMatchObject({ code: 'set-up-failed', message: expect.stringContaining('NAME.elf') });
});
