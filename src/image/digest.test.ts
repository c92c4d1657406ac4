import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestBytes, digestFile, digestRecord, digestTree } from './digest.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'ennead-digest-'));
});
afterEach(() => rm(root, { recursive: true }));

it('digestBytes() and digestFile() are SHA-256', async () => {
  // FIPS 180-2, appendix B.1
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  await writeFile(join(root, 'abc'), 'abc');
  expect(digestBytes('abc')).toBe(abc);
  expect(await digestFile(join(root, 'abc'))).toBe(abc);
});

describe('digestRecord()', () => {
  it('does not depend on the order of keys, and does on every key and value', () => {
    const digest = digestRecord({ a: '1', b: '2' });
    expect(digestRecord({ b: '2', a: '1' })).toBe(digest);
    expect(digestRecord({ a: '1', b: '3' })).not.toBe(digest);
    expect(digestRecord({ a: '1', c: '2' })).not.toBe(digest);
    expect(digestRecord({ a: '1,b:2' })).not.toBe(digest);
  });

  it('is the same on every machine and in every version', () => {
    expect(digestRecord({ name: 'xen', size: '1' })).toBe(digestBytes('[["name","xen"],["size","1"]]'));
  });
});

describe('digestTree()', () => {
  it('depends on names and contents, not on times or on what is left out', async () => {
    await mkdir(join(root, 'folder'));
    await writeFile(join(root, 'folder', 'file'), 'text');
    const digest = await digestTree(root);
    await utimes(join(root, 'folder', 'file'), 1, 1);
    await writeFile(join(root, 'notes.md'), '');
    expect(await digestTree(root, (path) => path !== 'notes.md')).toBe(digest);
    expect(await digestTree(root)).not.toBe(digest);
    await writeFile(join(root, 'folder', 'file'), 'other');
    expect(await digestTree(root, (path) => path !== 'notes.md')).not.toBe(digest);
  });
});
