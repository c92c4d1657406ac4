import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Job, Step } from './step.ts';
import { FakeDebian } from './testing/fake-debian.ts';
import { formatVerification, verifiableSteps, verifyImages } from './verify.ts';

const progress = { started() {}, done() {}, ended() {}, note() {}, end() {} };

let debian: FakeDebian;
let folder: string;

beforeEach(async () => {
  debian = await FakeDebian.create();
  folder = await mkdtemp(join(tmpdir(), 'ennead-verify-test-'));
});
afterEach(async () => {
  await debian.remove();
  await rm(folder, { recursive: true });
});

function step(name: string, needs: Step[], build: (job: Job) => Promise<void>): Step {
  const made = async (job: Job): Promise<{ version: string }> => {
    await build(job);
    return { version: '1' };
  };
  return { name, summary: name, lane: 'cpu', needs, packages: [], inputs: async () => ({}), build: made };
}

/** What it writes is another thing each time. */
function moody(name: string, needs: Step[] = []): Step {
  let builds = 0;
  return step(name, needs, async (job) => {
    await writeFile(join(job.outDir, 'steady'), 'always');
    await writeFile(join(job.outDir, 'moody'), String(builds++));
  });
}

const verify = (...wanted: Step[]) => verifyImages(wanted, { cacheDir: join(folder, 'cache'), progress });

it('says of an image that comes out alike that it does, and keeps nothing of the second build', async () => {
  const steady = step('steady', [], (job) => writeFile(join(job.outDir, 'file'), 'always'));
  expect(await verify(steady)).toEqual({ images: [{ name: 'steady', files: 1, different: [] }], keptIn: null });
  expect(await readdir(folder)).toEqual(['cache']);
});

it('names the files that differ, and keeps the second build', async () => {
  const verification = await verify(moody('image'));
  expect(verification.images).toEqual([{ name: 'image', files: 2, different: ['moody'] }]);
  expect((await readdir(folder)).sort()).toEqual(['cache', basename(verification.keptIn!)]);
  expect(formatVerification(verification)).toBe('image  2 files  DIFFERENT: moody\n');
});

it('takes what an image is made of from the cache', async () => {
  const source = moody('source');
  const image = step('image', [source], async (job) => {
    await writeFile(join(job.outDir, 'file'), job.artifact(source).digest);
  });
  expect((await verify(image)).images).toEqual([{ name: 'image', files: 1, different: [] }]);
});

it('finds a file of the cache that was damaged', async () => {
  const steady = step('steady', [], (job) => writeFile(join(job.outDir, 'file'), 'always'));
  await verify(steady);
  const [artifact] = await readdir(join(folder, 'cache', 'artifacts'));
  await writeFile(join(folder, 'cache', 'artifacts', artifact!, 'file'), 'damage');
  expect((await verify(steady)).images).toEqual([{ name: 'steady', files: 1, different: ['file'] }]);
});

it('leaves nothing behind when the second build fails', async () => {
  let builds = 0;
  const failing = step('failing', [], async () => {
    if (builds++ > 0) throw new Error('not twice');
  });
  await expect(verify(failing)).rejects.toThrow('not twice');
  expect(await readdir(folder)).toEqual(['cache']);
});

it('covers everything that is built, and no source', () => {
  const names = verifiableSteps().map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['xen', 'kernel-core', 'ennead-rt', 'policy', 'guest-disk', 'program-netback']),
  );
  expect(names).not.toContain('linux-source');
});
