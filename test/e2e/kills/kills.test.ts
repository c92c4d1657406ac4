/** XenStore's two VMs are struck under load, in a host of their own. The clients compare all that they see with what must be, and fail at the first difference. */
import { beforeAll, describe, expect, it } from 'vitest';
import { buildParts } from '../../virtual-store/images.ts';
import { runMachine } from '../../virtual-store/machine.ts';
import { numberFrom } from '../environment.ts';
import { decodeOutcome, decodeStrike, type Outcome, ordersParameters } from './plan.ts';
import { programs } from './steps.ts';

const SEEDS = 1_000_000_000;
const seed = numberFrom('ENNEAD_KILLS_SEED', Date.now() % SEEDS);
const strikes = numberFrom('ENNEAD_KILLS', 24);

const MEMORY_MIB = 640;
const BOOT_TIMEOUT_MS = 120_000;
const STRIKE_TIMEOUT_MS = 15_000;

/** Of State's process, or of Logic's. */
const KILLED = /\(d([23])\).*supervisor: the service ended by signal 9/;

const struck: string[] = [];
const killed: string[] = [];
let outcome: Outcome | null = null;

function heardEnough(line: string): boolean {
  const strike = decodeStrike(line);
  if (strike) struck.push(strike);
  const [, domid] = KILLED.exec(line) ?? [];
  if (domid) killed.push(domid);
  outcome = decodeOutcome(line);
  return outcome !== null;
}

beforeAll(async () => {
  console.log(`to do the same again: ENNEAD_KILLS_SEED=${seed} ENNEAD_KILLS=${strikes}`);
  const parts = await buildParts(programs);
  await runMachine(parts, {
    contents: {
      programs,
      program: 'domain-zero',
      vmPrograms: ['client', 'conductor'],
      server: 'ennead',
      serverPrograms: { 'xenstore-state': ['mortal-state', 'killer'], 'xenstore-logic': ['mortal-logic', 'killer'] },
    },
    memoryMib: MEMORY_MIB,
    parameters: ordersParameters({ seed, strikes }),
    timeoutMs: BOOT_TIMEOUT_MS + strikes * STRIKE_TIMEOUT_MS,
    // It gives up waiting for a State that is killed again and again, and is started again.
    mayFail: ['xenstore-logic'],
    heardEnough,
  });
  console.log(JSON.stringify({ struck, outcome }));
});

describe('XenStore under load, struck again and again', () => {
  it('no client sees an error, a lost watch, a lost transaction or a doubled effect', () => {
    expect(outcome).toMatchObject({ operations: expect.any(Number), increments: expect.any(Number) });
  });

  it('and it was struck: VMs destroyed and built again, processes of both killed', () => {
    expect(struck).toHaveLength(strikes);
    const each = (kind: RegExp): number => struck.filter((strike) => kind.test(strike)).length;
    expect(each(/logic-vm$/)).toBeGreaterThan(0);
    // One that is struck while it starts may be killed before it is counted.
    expect(killed.filter((domid) => domid === '2')).not.toEqual([]);
    expect(killed.filter((domid) => domid === '3')).not.toEqual([]);
  });
});
