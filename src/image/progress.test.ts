import { expect, it } from 'vitest';
import { createProgress, seconds } from './progress.ts';
import type { Artifact } from './step.ts';

const artifact = (cached: boolean): Artifact => ({
  name: 'xen',
  version: '4.17',
  key: '',
  dir: '',
  files: {},
  materials: [],
  digest: '',
  cached,
  elapsedMs: 62_000,
  path: (file) => file,
});

function record(isTTY: boolean): { text: () => string; progress: ReturnType<typeof createProgress> } {
  let text = '';
  const progress = createProgress({ isTTY, columns: 80, write: (part) => (text += part) }, () => 0);
  return { text: () => text, progress };
}

it('prints one plain line per step where there is no terminal', () => {
  const { text, progress } = record(false);
  progress.started('xen');
  progress.done(artifact(false));
  progress.done(artifact(true));
  progress.end();
  const lines = text().trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^built +xen +1 min 2 s +4\.17$/);
  expect(lines[1]).toMatch(/^cached +xen +4\.17$/);
  expect(text()).not.toContain('\x1b');
});

it('shows what runs in a live line on a terminal, and erases it', () => {
  const { text, progress } = record(true);
  progress.started('xen');
  expect(text()).toContain('… xen 0.0 s');
  progress.done(artifact(false));
  progress.end();
  expect(text().endsWith('\r\x1b[K')).toBe(true);
});

it.each([
  [400, '0.4 s'],
  [59_900, '59.9 s'],
  [61_000, '1 min 1 s'],
])('%i ms is %s', (elapsedMs, text) => {
  expect(seconds(elapsedMs)).toBe(text);
});
