/** Logic, or State's process, or both, end after every one of their operations in turn: whoever starts after them ends the same work, once. */
import { describe, expect, it } from 'vitest';
import { encodeStrings, messageTypes } from '../../../src/wire/xenstore-message.ts';
import type { XenStore } from '../../../src/xen/xenstore-port.ts';
import { Random } from '../../fuzz/random.ts';
import { type RawClient, rawClient } from './raw-client.ts';
import { SplitStore } from './split-store.ts';

interface Scene {
  readonly store: SplitStore;
  readonly builder: XenStore;
  readonly guest: XenStore;
}

async function scene(): Promise<Scene> {
  const store = SplitStore.start();
  const builder = store.builder();
  const guest = await store.addClient(builder, 16);
  return { store, builder, guest };
}

/** Logic may say that a domain has died meanwhile, and that State has. */
const EXPECTED = [
  'cannot be connected: memory: domain 16 (ESRCH)',
  'xenstore-state has started again (ENOTCONN)',
  // Where it stops in the middle of a message.
  'xenstore-state broke the framing (EPROTO)',
];

const SEED = Number(process.env.ENNEAD_SIM_SEED ?? Date.now() % 1_000_000_000);
const random = new Random(SEED);

const settle = ({ store }: Scene): Promise<void> => store.xen.settle();

interface Trial {
  prepare(scene: Scene): Promise<unknown>;
  work(scene: Scene): Promise<unknown>;
}

/** `end` says who ends, and when. */
async function attempt({ prepare, work }: Trial, end: (store: SplitStore) => void) {
  const here = await scene();
  await prepare(here);
  await settle(here);
  end(here.store);
  const outcome = await work(here);
  await settle(here);
  const complaints = here.store.log.filter((line) => !EXPECTED.some((expected) => line.endsWith(expected)));
  return { store: here.store, outcome: JSON.stringify([outcome, complaints]) };
}

/** After 1, 1 + `step`, 1 + 2 · `step` … operations, until nobody ends any more. */
const oneAfterAnother =
  (end: (store: SplitStore, operations: number) => void) =>
  async (trial: Trial, step: number): Promise<Set<string>> => {
    const outcomes = new Set<string>();
    let ends = 0;
    for (let hasEnded = true; hasEnded; ends += step) {
      const { store, outcome } = await attempt(trial, (of) => end(of, ends + 1));
      outcomes.add(outcome);
      hasEnded = store.ends > 0;
    }
    expect(ends).toBeGreaterThan(10);
    return outcomes;
  };

const DRAWS = 150;
/** Operations of a start. */
const START = 60;

/** Logic's end may come before State's, or while it waits for an answer that will not come, or while it starts after that. */
async function bothDrawn(trial: Trial, step: number): Promise<Set<string>> {
  const outcomes = new Set<string>();
  let before = { logic: 0, state: 0 };
  const { store } = await attempt(trial, (of) => {
    before = of.operations;
  });
  const logic = store.operations.logic - before.logic;
  const state = store.operations.state - before.state;
  let ends = 0;
  for (let draw = 0; draw < DRAWS; draw += Math.ceil(step / 2)) {
    const { store: ended, outcome } = await attempt(trial, (of) => {
      if (random.chance(0.5)) of.endStateAfter(random.below(state));
      else of.restartStateAfter(random.below(logic + START));
      of.endLogicAfter(random.below(logic + START), random.pick(['rebuild', 'fail']));
    });
    outcomes.add(outcome);
    ends += ended.ends;
  }
  expect(ends).toBeGreaterThan(10);
  return outcomes;
}

/** Operations: while the next handler looks what is left to do. */
const SOON = 8;

/** `meanwhile`: between two operations of Logic's, and not when it waits. */
const endings = {
  'a rebuild of Logic': oneAfterAnother((store, operations) => store.endLogicAfter(operations, 'rebuild')),
  'a failure of Logic': oneAfterAnother((store, operations) => store.endLogicAfter(operations, 'fail')),
  'a crash of State': oneAfterAnother((store, operations) => store.endStateAfter(operations)),
  'a crash of State meanwhile': oneAfterAnother((store, operations) => store.restartStateAfter(operations)),
  [`a failure of Logic and, soon after, a crash of State (seed ${SEED})`]: oneAfterAnother((store, operations) => {
    store.endLogicAfter(operations, 'fail');
    store.restartStateAfter(operations + 1 + random.below(SOON));
  }),
  [`the ends of both (seed ${SEED})`]: bothDrawn,
};

describe.each(Object.entries(endings))('after %s, at any operation', (_, outcomesOf) => {
  const always = async (expected: unknown, prepare: Trial['prepare'], work: Trial['work'], step = 1): Promise<void> => {
    const outcomes = await outcomesOf({ prepare, work }, step);
    expect([...outcomes]).toEqual([JSON.stringify([expected, []])]);
  };

  it('a write is made once, and told once', async () => {
    const events: string[] = [];
    await always(
      ['1', ['a']],
      async ({ guest }) => guest.watch('a', (path) => events.push(path)),
      async (here) => {
        events.length = 0;
        await here.guest.write('a', '1');
        await settle(here);
        return [await here.builder.read('/local/domain/16/a'), events.slice()];
      },
    );
  });

  it('a request and an answer that are larger than the ring arrive whole', async () => {
    const value = 'large'.repeat(400);
    await always(
      [value, 'next'],
      async ({ guest }) => guest.write('b', 'next'),
      async ({ guest }) => {
        await guest.write('a', value);
        return [await guest.read('a'), await guest.read('b')];
      },
    );
  });

  const raw = async ({ store, builder }: Scene) => {
    await store.addRing(builder, 17);
    return rawClient(store.ring(17));
  };

  it('a request that comes in parts is answered once', async () => {
    let client: RawClient;
    await always(
      ['OK', 'value'],
      async (here) => {
        client = await raw(here);
      },
      async (here) => {
        const whole = client.packet(messageTypes.write, encodeStrings(['a'], new TextEncoder().encode('value')));
        for (const [from, to] of [
          [0, 7],
          [7, 17],
          [17, whole.length],
        ]) {
          client.send(whole.subarray(from, to));
          await settle(here);
        }
        return [client.texts().join(), await here.builder.read('/local/domain/17/a')];
      },
    );
  });

  it('an answer for which the ring has no room comes once', async () => {
    let client: RawClient;
    await always(
      [1, 2000],
      async (here) => {
        client = await raw(here);
        await here.builder.write('/local/domain/17/a', 'v'.repeat(2000));
      },
      async (here) => {
        client.send(client.packet(messageTypes.read, encodeStrings(['a'])));
        await settle(here);
        return [client.received.length, client.received[0]?.payload.length];
      },
    );
  });

  it('events that take several batches come once each', async () => {
    let client: RawClient;
    const long = 'x'.repeat(900);
    const names = Array.from({ length: 25 }, (_, index) => `a/${long}${index}`);
    await always(
      names.map((name) => `${name} token`),
      async (here) => {
        client = await raw(here);
        for (const name of names) {
          await here.builder.mkdir(`/local/domain/17/${name}`);
          await here.builder.setPermissions(`/local/domain/17/${name}`, [{ domid: 17, access: 'none' }]);
          client.send(client.packet(messageTypes.watch, encodeStrings([name, 'token'])));
        }
        await settle(here);
        client.received.length = 0;
      },
      async (here) => {
        await here.builder.remove('/local/domain/17/a');
        await settle(here);
        return client.texts();
      },
      17,
    );
  });

  it('what a removed node had is told to each of many watchers once', async () => {
    let events: string[] = [];
    const names = Array.from({ length: 12 }, (_, index) => `a/${index}`);
    await always(
      [['a', ...names].sort(), ['domid']],
      async (here) => {
        for (const name of names) await here.guest.mkdir(name);
        for (const name of ['a', ...names]) await here.guest.watch(name, (path) => events.push(path));
        await settle(here);
        events = [];
      },
      async (here) => {
        await here.guest.remove('a');
        await settle(here);
        return [events.slice().sort(), await here.guest.list('/local/domain/16')];
      },
    );
  });

  it('a transaction ends once, and not with a conflict with itself', async () => {
    let tries = 0;
    await always(
      [1, '2'],
      async ({ guest }) => guest.write('a', '1'),
      async ({ guest }) => {
        tries = 0;
        await guest.transaction(async (transaction) => {
          tries += 1;
          await transaction.write('a', String(Number(await transaction.read('a')) + 1));
        });
        return [tries, await guest.read('a')];
      },
    );
  });

  it('a domain is introduced and released once', async () => {
    let events: string[] = [];
    await always(
      [['@introduceDomain', '@releaseDomain'], '17'],
      async ({ builder }) => {
        for (const path of ['@introduceDomain', '@releaseDomain'])
          await builder.watch(path, (told) => events.push(told));
      },
      async (here) => {
        events = [];
        const newcomer = await here.store.addClient(here.builder, 17);
        const domid = await newcomer.read('domid');
        await here.builder.release(17);
        await settle(here);
        return [events.slice(), domid];
      },
    );
  });

  it('the death of a domain is told once', async () => {
    let events: string[] = [];
    await always(
      ['@releaseDomain', true],
      async ({ builder }) => builder.watch('@releaseDomain', (told) => events.push(told)),
      async (here) => {
        events = [];
        here.store.xen.domains.destroy(16);
        await settle(here);
        return [events.join(), here.store.xen.domains.info(16) === null];
      },
    );
  });
});

describe('a client whose requests fail Logic', () => {
  it('again and again loses its connection, and the others notice nothing', async () => {
    const here = await scene();
    const other = await here.store.addClient(here.builder, 17);
    await settle(here);
    here.store.failRequestsOf(16);
    here.store.stopLogic();
    here.store.rebuildLogic();
    const lost = here.guest.write('a', '1');
    await other.write('x', '1');
    await settle(here);
    expect(await other.read('x')).toBe('1');
    expect(here.store.log).toEqual(['domain 16 failed xenstore-logic too often: connection lost']);
    expect(await Promise.race([lost, settle(here).then(() => 'unanswered')])).toBe('unanswered');
  });
});
