import { expect, test } from 'vitest';
import { median } from './median.ts';

test('the median of an even number of rounds lies between the two in the middle', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});
