import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { installPackages } from './images.ts';
import { FakeDebian } from './testing/fake-debian.ts';

const SILENT = { started() {}, done() {}, ended() {}, note() {}, end() {} };

let debian: FakeDebian;

beforeEach(async () => {
  debian = await FakeDebian.create();
});
afterEach(() => debian.remove());

async function installed(tests: boolean): Promise<string[]> {
  await installPackages({ cacheDir: join(debian.folder, 'cache'), tests, progress: SILENT });
  return (await debian.asked()).at(-1)!.split(' ').slice(3);
}

it('installPackages() installs what every step and a host take, and builds nothing', async () => {
  const names = await installed(false);
  expect(names).toEqual(expect.arrayContaining(['checkpolicy', 'mmdebstrap', 'qemu-system-x86', 'dropbear-bin']));
  expect(names).not.toContain('cpio');
  expect(await readdir(join(debian.folder, 'cache', 'artifacts'))).toEqual([]);
});

it('installPackages() for tests installs what the unit tests run, too', async () => {
  expect(await installed(true)).toEqual(expect.arrayContaining(['busybox-static', 'checkpolicy', 'clang', 'cpio']));
});
