/** A short run of `npm run fuzz:xenstore`, from a seed that changes every time and is named when something is found. */
import { expect, it } from 'vitest';
import { RingFuzz } from './ring-fuzz.ts';
import { directStore, simulatedStore } from './ring-stores.ts';
import { SocketFuzz } from './socket-fuzz.ts';

const seed = Date.now() % 2 ** 31;

it.each([
  ['rings', 15_000, () => new RingFuzz(directStore(), seed)],
  ['simulated', 1500, () => new RingFuzz(simulatedStore(seed), seed)],
  ['sockets', 4000, () => new SocketFuzz(seed)],
] as const)('clients that send anything disturb nobody: --on %s', async (on, inputs, make) => {
  const fuzz = make();
  try {
    await fuzz.start();
    while (fuzz.tally.inputs < inputs) await fuzz.round();
  } catch (error) {
    throw new Error(`npm run fuzz:xenstore -- --on ${on} --seed ${seed} --inputs ${inputs} finds it again`, {
      cause: error,
    });
  }
  // It was about something.
  expect(fuzz.tally.answers).toBeGreaterThan(inputs / 4);
  expect(fuzz.tally.errors).toBeLessThan(fuzz.tally.answers);
  if (on === 'rings') expect(fuzz.tally.held).toBeGreaterThan(0);
});
