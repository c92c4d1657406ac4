/** Latencies in buckets that each are 5 % wider than the one before: a percentile of many clients' is found from their sums. */

const WIDTH = 1.05;
const FIRST_BUCKET_MS = 0.001;

const bucketOf = (latencyMs: number): number =>
  Math.max(0, Math.floor(Math.log(latencyMs / FIRST_BUCKET_MS) / Math.log(WIDTH)));
const middleOf = (bucket: number): number => FIRST_BUCKET_MS * WIDTH ** (bucket + 0.5);

/** Bucket and count in turn. */
export function encodeLatencies(latenciesMs: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const latencyMs of latenciesMs) {
    const bucket = bucketOf(latencyMs);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return [...counts].flat();
}

export function countOf(encoded: readonly number[]): number {
  return encoded.reduce((sum, value, index) => (index % 2 === 1 ? sum + value : sum), 0);
}

/** Of all of them together; `share` 0.5 is the median. */
export function percentileMs(encoded: readonly (readonly number[])[], share: number): number {
  const counts = new Map<number, number>();
  for (const one of encoded)
    for (let index = 0; index < one.length; index += 2)
      counts.set(one[index]!, (counts.get(one[index]!) ?? 0) + one[index + 1]!);
  const total = encoded.reduce((sum, one) => sum + countOf(one), 0);
  let below = 0;
  for (const [bucket, count] of [...counts].sort(([a], [b]) => a - b)) {
    below += count;
    if (below >= total * share) return middleOf(bucket);
  }
  return Number.NaN;
}
