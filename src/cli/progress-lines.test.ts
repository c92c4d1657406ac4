import { expect, test } from 'vitest';
import { bootLines, milestone, percentSteps } from './progress-lines.ts';

test('milestone() keeps the service and what it says', () => {
  expect(milestone('(d4) [   10.3] ennead[builder]: domain 0 is destroyed\r')).toBe('builder: domain 0 is destroyed');
});

test('milestone() leaves a line of nobody as it is', () => {
  expect(milestone(' (XEN) something \r')).toBe('(XEN) something');
});

test('bootLines() puts the time since the start before each milestone', () => {
  let [text, nowMs] = ['', 1000];
  const say = bootLines({ error: (part) => (text += part), nowMs: () => nowMs });
  nowMs = 63_500;
  say('(d5) ennead[toolstack]: ready');
  expect(text).toBe('    0.0 s  the host boots\n1 min 2 s  toolstack: ready\n');
});

test('percentSteps() shows every step once, and of several passed at a time only the last', () => {
  const shown: number[] = [];
  const progress = percentSteps(20, (percent) => shown.push(percent));
  for (const done of [1, 19, 20, 21, 39, 75, 100]) progress(done, 100);
  expect(shown).toEqual([20, 60, 100]);
});
