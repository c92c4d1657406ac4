import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countOf, encodeLatencies, percentileMs } from './histogram.ts';

/** A bucket's middle is at most half its width from what is in it. */
const HALF_A_BUCKET = 0.026;

const latencies = fc.array(fc.double({ min: 0.01, max: 10_000, noNaN: true }), { minLength: 1, maxLength: 50 });
const share = fc.double({ min: 0.01, max: 1, noNaN: true });

test('a percentile of many clients is that of all their latencies together', () =>
  fc.assert(
    fc.property(fc.array(latencies, { minLength: 1, maxLength: 5 }), share, (clients, wanted) => {
      const sorted = clients.flat().sort((a, b) => a - b);
      const exact = sorted[Math.ceil(sorted.length * wanted) - 1]!;
      const found = percentileMs(clients.map(encodeLatencies), wanted);
      expect(Math.abs(found - exact) / exact).toBeLessThan(HALF_A_BUCKET);
    }),
  ));

test('every latency is counted, the impossible ones too', () => {
  expect(countOf(encodeLatencies([1, 1, 2, 0.0001, 1_000_000]))).toBe(5);
});

test('of nothing there is no percentile', () => {
  expect(percentileMs([], 0.5)).toBeNaN();
  expect(percentileMs([[]], 0.5)).toBeNaN();
});
