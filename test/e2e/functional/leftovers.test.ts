import { expect, it } from 'vitest';
import { ennead, enneadJson } from '../ennead.ts';
import { createProbe } from '../probe.ts';

const CYCLES = 20;
/** A machine without hardware virtualisation takes up to 20 s for a cycle. */
const TIMEOUT_MS = 900_000;

it(
  '20 guests created and destroyed leave nothing behind',
  async () => {
    await ennead('volume', 'create', 'cycle-disk', '16M');
    const before = await resources();
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await createProbe({ name: 'cycle', disks: ['cycle-disk'], network: true });
      await ennead('destroy', 'cycle');
    }
    expect(await resources()).toEqual(before);
    await ennead('volume', 'delete', 'cycle-disk');
  },
  TIMEOUT_MS,
);

/** What a guest takes. A page of a dead guest that anybody still maps keeps its domain and its memory, so a leaked grant shows too. */
async function resources(): Promise<unknown> {
  return {
    // Processor time goes on; everything else of the list must be as before.
    domains: ((await enneadJson('list')) as { timeSeconds: number }[]).map(({ timeSeconds: _, ...row }) => row),
    trust: await enneadJson('trust'),
    volumes: await enneadJson('volume', 'list'),
    freeMemory: ((await enneadJson('info')) as { free_memory: number }).free_memory,
  };
}
