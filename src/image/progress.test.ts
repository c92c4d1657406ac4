import { afterEach, expect, it, vi } from 'vitest';
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
  vi.useFakeTimers({ now: 0 });
  const progress = createProgress({ isTTY, columns: 80, write: (part) => (text += part) }, Date.now);
  return { text: () => text, progress };
}

afterEach(() => void vi.useRealTimers());

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

it('says every half minute what it is still at, where there is no terminal', () => {
  const { text, progress } = record(false);
  progress.started('packages');
  vi.advanceTimersByTime(61_000);
  progress.ended('packages', 'done');
  progress.end();
  const lines = text().trimEnd().split('\n');
  expect(lines.slice(0, 2)).toEqual(['  still at packages, 30.0 s', '  still at packages, 1 min 0 s']);
  expect(lines[2]).toMatch(/^done +packages +1 min 1 s$/);
  expect(lines).toHaveLength(3);
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
