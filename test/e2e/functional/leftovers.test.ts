import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import { domains, ennead, enneadJson } from '../ennead.ts';
import { createProbe } from '../probe.ts';
import { xenUsage } from '../xen-keys.ts';

const CYCLES = 20;
/** A machine without hardware virtualisation takes up to 25 s for a cycle. */
const TIMEOUT_MS = 1_200_000;
/** Linux takes a back end apart a moment after its guest is gone. */
const SETTLE_MS = 60_000;
const LOOK_MS = 500;
const LOOKS_MAX = 20;

it(
  '20 guests created and destroyed leave no domain, grant, event channel, watch, volume attachment or bridge port behind',
  async () => {
    await ennead('volume', 'create', 'cycle-disk', '16M');
    // The first guest of all leaves the empty folders of its back ends, and what Linux keeps for the next one.
    await cycle();
    const before = await settled();
    const freeBefore = await freeMemoryMib();
    for (let round = 0; round < CYCLES; round++) await cycle();
    await expect.poll(resources, { timeout: SETTLE_MS, interval: LOOK_MS }).toEqual(before);
    // Xen counts in pages and tells in MiB. A guest's memory that did not come back is 64 of them, and its domain would be listed.
    expect(await freeMemoryMib()).toBeGreaterThanOrEqual(freeBefore - 1);
    await ennead('volume', 'delete', 'cycle-disk');
  },
  TIMEOUT_MS,
);

async function cycle(): Promise<void> {
  await createProbe({ name: 'cycle', disks: ['cycle-disk'], network: true });
  await ennead('destroy', 'cycle');
}

/** What a guest takes, counted by those who give it: Builder, Xen, XenStore, the driver VMs. */
async function resources(): Promise<unknown> {
  const { bridge_ports, loop_devices } = await info();
  return {
    // Processor time goes on; everything else of the list must be as before.
    domains: (await domains()).map(({ timeSeconds: _, ...row }) => row),
    trust: await enneadJson('trust'),
    volumes: await enneadJson('volume', 'list'),
    xenstore: await enneadJson('xenstore', 'quota'),
    bridgePorts: bridge_ports,
    loopDevices: loop_devices,
    xen: await xenUsage(),
  };
}

/** What two looks in a row see alike. */
async function settled(): Promise<unknown> {
  let last = await resources();
  for (let look = 0; look < LOOKS_MAX; look++) {
    const next = await resources();
    if (isDeepStrictEqual(next, last)) return next;
    last = next;
  }
  throw new Error(`the host does not come to rest: ${JSON.stringify(last)}`);
}

interface Info {
  readonly free_memory: number;
  readonly bridge_ports: number;
  readonly loop_devices: number;
}

const info = async (): Promise<Info> => (await enneadJson('info')) as Info;
const freeMemoryMib = async (): Promise<number> => (await info()).free_memory;
