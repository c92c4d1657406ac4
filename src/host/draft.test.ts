import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { atomically } from './draft.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ennead-draft-'));
  path = join(folder, 'file');
  await writeFile(path, 'old');
});
afterEach(() => rm(folder, { recursive: true }));

it('atomically() leaves the old file until the new one is whole', async () => {
  await atomically(path, async (draft) => {
    await writeFile(draft, 'new');
    expect(await readFile(path, 'utf8')).toBe('old');
  });
  expect(await readFile(path, 'utf8')).toBe('new');
  expect(await readdir(folder)).toEqual(['file']);
});

it('atomically() removes a draft that fails and leaves the old file', async () => {
  const failing = atomically(path, async (draft) => {
    await writeFile(draft, 'half');
    throw new Error('no room');
  });
  await expect(failing).rejects.toThrow('no room');
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['file']);
});
