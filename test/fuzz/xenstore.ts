/**
 * `npm run fuzz:xenstore -- [--inputs N] [--seed S] [--on rings|sockets|simulated]`: feeds XenStore with what no client should send, for as long as
 * wanted. Every so many inputs it begins anew with the next seed; a failure says with which one it comes again.
 */
import { parseArgs } from 'node:util';
import { RingFuzz } from './ring-fuzz.ts';
import { directStore, simulatedStore } from './ring-stores.ts';
import { SocketFuzz } from './socket-fuzz.ts';
import { addTally, newTally, type Tally } from './tally.ts';

const INPUTS_PER_SEED = 100_000;
const REPORT_EVERY_MS = 60_000;

interface Fuzz {
  readonly tally: Tally;
  start(): Promise<void>;
  round(): Promise<void>;
}

const targets: Readonly<Record<string, (seed: number) => Fuzz>> = {
  rings: (seed) => new RingFuzz(directStore(), seed),
  sockets: (seed) => new SocketFuzz(seed),
  simulated: (seed) => new RingFuzz(simulatedStore(seed), seed),
};

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    on: { type: 'string', default: 'rings' },
  },
});
const inputs = Number(values.inputs);
const firstSeed = Number(values.seed);
const target = targets[values.on];
if (!target || !Number.isInteger(inputs) || !Number.isInteger(firstSeed))
  throw new Error(`--inputs and --seed are whole numbers, --on is one of ${Object.keys(targets).join(', ')}`);

const startedMs = performance.now();
const sum = newTally();

function report(): void {
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  const counts = Object.entries(sum).map(([name, count]) => `${name} ${count}`);
  console.log(
    `${Math.round(elapsedSeconds)} s, ${Math.round(sum.inputs / elapsedSeconds)} inputs/s: ${counts.join(', ')}`,
  );
}

async function run(fuzz: Fuzz, inputsMax: number): Promise<void> {
  await fuzz.start();
  while (fuzz.tally.inputs < inputsMax) await fuzz.round();
}

console.log(`fuzzing ${values.on} with ${inputs} inputs, first seed ${firstSeed}`);
let reportedMs = startedMs;
for (let seed = firstSeed; sum.inputs < inputs; seed += 1) {
  const fuzz = target(seed);
  try {
    await run(fuzz, Math.min(INPUTS_PER_SEED, inputs - sum.inputs));
  } catch (error) {
    console.error(`failed with --on ${values.on} --seed ${seed} after ${fuzz.tally.inputs} inputs of it`);
    throw error;
  }
  addTally(sum, fuzz.tally);
  if (performance.now() - reportedMs < REPORT_EVERY_MS) continue;
  report();
  reportedMs = performance.now();
}
report();
console.log('nothing was found');
