import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensurePackages, MissingPackagesError, parseInstalled, toolboxOf } from './packages.ts';
import { FakeDebian } from './testing/fake-debian.ts';

it('parseInstalled() counts installed packages only, not the remains of removed ones', () => {
  const versions = parseInstalled('installed gcc-12 12.2.0-14\nconfig-files bison 3.8\ninstalled make 4.3\n');
  expect([...versions]).toEqual([
    ['gcc-12', '12.2.0-14'],
    ['make', '4.3'],
  ]);
});

it('a toolbox gives one text for the same versions in any order', () => {
  const toolbox = toolboxOf(
    new Map([
      ['make', '4.3'],
      ['gcc-12', '12.2'],
    ]),
  );
  expect(toolbox.versionsOf(['make', 'gcc-12'])).toBe('gcc-12=12.2 make=4.3');
  expect(toolbox.versionsOf(['bison'])).toBe('bison=missing');
});

it('the error of missing packages says why, and which command installs them', () => {
  expect(new MissingPackagesError(['bison', 'flex'], 'there is no sudo').message).toBe(
    'Debian packages are missing and cannot be installed: there is no sudo. ' +
      'As root, run: apt-get install --no-install-recommends bison flex',
  );
});

describe('ensurePackages()', () => {
  let debian: FakeDebian;
  let shown: string[];
  const progress = {
    note: (line: string) => void shown.push(line),
    started: (task: string) => void shown.push(`started ${task}`),
    ended: (task: string, how: string) => void shown.push(`${how} ${task}`),
  };
  const logPath = (): string => join(debian.folder, 'packages.log');
  const ensure = (...names: string[]) => ensurePackages(names, logPath(), progress);

  beforeEach(async () => {
    shown = [];
    debian = await FakeDebian.create('make 4.3');
  });
  afterEach(() => debian.remove());

  it('installs what is missing and nothing else, and shows that it is at it', async () => {
    expect((await ensure('make', 'flex', 'bison', 'flex')).versionsOf(['bison', 'make'])).toBe('bison=1 make=4.3');
    expect(await debian.asked()).toEqual(['update', 'install --yes --no-install-recommends bison flex']);
    expect(shown).toEqual(['Debian packages to install: bison flex', 'started packages', 'done packages']);
  });

  it('does nothing where nothing is missing', async () => {
    await ensure('make');
    expect(shown).toEqual([]);
  });

  it("shows the end of apt's log when apt fails, and where the whole log is", async () => {
    await debian.program('apt-get', 'echo E: no route to the archive; exit 100');
    const { message } = (await ensure('bison').catch((cause: unknown) => cause)) as Error;
    expect(message).toContain('| E: no route to the archive');
    expect(message).toContain(logPath());
    expect(shown.at(-1)).toBe('failed packages');
  });
});
