import { expect, test } from 'vitest';
import { milestone, percentSteps } from './progress-lines.ts';

test('milestone() keeps the service and what it says', () => {
  expect(milestone('(d4) [   10.3] ennead[builder]: domain 0 is destroyed\r')).toBe('builder: domain 0 is destroyed');
});

test('milestone() leaves a line of nobody as it is', () => {
  expect(milestone(' (XEN) something \r')).toBe('(XEN) something');
});

test('percentSteps() shows every step once, and of several passed at a time only the last', () => {
  const shown: number[] = [];
  const progress = percentSteps(20, (percent) => shown.push(percent));
  for (const done of [1, 19, 20, 21, 39, 75, 100]) progress(done, 100);
  expect(shown).toEqual([20, 60, 100]);
});
