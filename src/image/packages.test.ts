import { expect, it } from 'vitest';
import { MissingPackagesError, parseInstalled, toolboxOf } from './packages.ts';

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

it('the error of missing packages is a command that installs them', () => {
  expect(new MissingPackagesError(['bison', 'flex']).message).toMatch(/apt-get install .*bison flex$/);
});
