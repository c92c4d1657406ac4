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
const EXPECTED = ['cannot be connected: memory: domain 16 (ESRCH)', 'xenstore-state has started again (ENOTCONN)'];

/** `both`: Logic's end is drawn for each end of State. It may come before that, while Logic waits for an answer that will not come, or while it starts after that. */
const endings = ['rebuild', 'fail', 'crash of State', 'both'] as const;
type Ending = (typeof endings)[number];
const SEED = Number(process.env.ENNEAD_SIM_SEED ?? Date.now() % 1_000_000_000);
const random = new Random(SEED);
/** So much does Logic about State's work, and for its own start. */
const OPERATIONS_FOR_STATES = 4;
const OPERATIONS_OF_START = 60;

const settle = ({ store }: Scene): Promise<void> => store.xen.settle();

/** `work` with Logic ending after 1, 1 + `step`, 1 + 2 · `step` … operations, until it does not any more. */
async function atEveryOperation(
  how: Ending,
  prepare: (scene: Scene) => Promise<unknown>,
  work: (scene: Scene) => Promise<unknown>,
  step: number,
): Promise<{ readonly outcomes: Set<string>; readonly ends: number }> {
  const outcomes = new Set<string>();
  for (let ends = 0; ; ends += step) {
    const here = await scene();
    await prepare(here);
    await settle(here);
    end(here.store, how, ends + 1);
    const outcome = await work(here);
    await settle(here);
    const complaints = here.store.log.filter((line) => !EXPECTED.some((expected) => line.endsWith(expected)));
    outcomes.add(JSON.stringify([outcome, complaints]));
    if ((how === 'both' ? here.store.stateEnds : here.store.ends) === 0) return { outcomes, ends };
  }
}

function end(store: SplitStore, how: Ending, operations: number): void {
  if (how === 'rebuild' || how === 'fail') store.endLogicAfter(operations, how);
  else store.endStateAfter(operations);
  if (how === 'both')
    store.endLogicAfter(random.below(OPERATIONS_FOR_STATES * operations + OPERATIONS_OF_START), 'rebuild');
}

describe.each(endings)(`after a %s at any operation (seed ${SEED})`, (how) => {
  const always = async (
    expected: unknown,
    prepare: (scene: Scene) => Promise<unknown>,
    work: (scene: Scene) => Promise<unknown>,
    step = 1,
  ) => {
    const { outcomes, ends } = await atEveryOperation(how, prepare, work, step);
    expect([...outcomes]).toEqual([JSON.stringify([expected, []])]);
    expect(ends).toBeGreaterThan(10);
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
