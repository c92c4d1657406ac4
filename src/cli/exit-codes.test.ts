import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exitCodeOf, exitCodes } from './exit-codes.ts';

test('docs/cli.md names every word with its exit code, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'cli.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (\d+) \| ([a-z, -]+) \|/gm)];
  const documented = rows.flatMap(([, code, words]) => words!.split(', ').map((word) => [word, Number(code)]));
  expect(Object.fromEntries(documented)).toEqual(exitCodes);
});

test('a word that nobody knows is a plain failure', () => {
  expect([exitCodeOf('moon-phase'), exitCodeOf('constructor')]).toEqual([1, 1]);
});
