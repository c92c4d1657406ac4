/** Random programs of several domains, on the split store and on the plain one in memory: every answer and every watch event must agree. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryXen } from '../../../src/xen/memory/memory-xen.ts';
import { PortError } from '../../../src/xen/ports.ts';
import type { NodePermission, XenStore, XenStoreWriter } from '../../../src/xen/xenstore-port.ts';
import { SplitStore } from './split-store.ts';

const BUILDER = 4;
const GUESTS = [16, 17] as const;

type Step =
  | { readonly do: 'read' | 'list' | 'mkdir' | 'remove' | 'permissions'; readonly path: string }
  | { readonly do: 'write'; readonly path: string; readonly value: string }
  | { readonly do: 'setPermissions'; readonly path: string; readonly permissions: readonly NodePermission[] };
type Action =
  | { readonly by: number; readonly do: 'step'; readonly step: Step }
  | { readonly by: number; readonly do: 'watch' | 'unwatch'; readonly path: string }
  | {
      readonly by: number;
      readonly do: 'transaction';
      readonly steps: readonly Step[];
      /** What Builder does meanwhile, once. */
      readonly meanwhile: Step;
      readonly commit: boolean;
    };

const relative = fc.constantFrom('a', 'b', 'a/b', 'a/b/c', 'b/a', 'a/c');
const path = fc.oneof(
  relative,
  fc.tuple(fc.constantFrom(...GUESTS), relative).map(([domid, below]) => `/local/domain/${domid}/${below}`),
  fc.constantFrom('/local/domain/16', '/local/domain', '/a', '/a/b'),
);
const permission = fc.record<NodePermission>({
  domid: fc.constantFrom(...GUESTS, BUILDER),
  access: fc.constantFrom('none', 'read', 'write', 'both'),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('read', 'list', 'mkdir', 'remove', 'permissions'), path }),
  fc.record({ do: fc.constant('write'), path, value: fc.string({ maxLength: 30 }) }),
  fc.record({
    do: fc.constant('setPermissions'),
    path,
    permissions: fc.array(permission, { minLength: 1, maxLength: 3 }),
  }),
);
const by = fc.constantFrom(BUILDER, ...GUESTS);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ by, do: fc.constant('step'), step }) },
  { weight: 1, arbitrary: fc.record({ by, do: fc.constantFrom('watch', 'unwatch'), path }) },
  {
    weight: 2,
    arbitrary: fc.record({
      by: fc.constantFrom(...GUESTS),
      do: fc.constant('transaction'),
      steps: fc.array(step, { maxLength: 5 }),
      meanwhile: step,
      commit: fc.boolean(),
    }),
  },
);

async function attempt(operation: () => Promise<unknown>): Promise<unknown> {
  try {
    const answer = await operation();
    return Array.isArray(answer) && typeof answer[0] === 'string' ? [...answer].sort() : answer;
  } catch (error) {
    if (error instanceof PortError) return error.code;
    throw error;
  }
}

function run(store: XenStoreWriter, step: Step): Promise<unknown> {
  return attempt(() => {
    if (step.do === 'write') return store.write(step.path, step.value);
    if (step.do === 'setPermissions') return store.setPermissions(step.path, step.permissions);
    return store[step.do](step.path);
  });
}

class Abort extends Error {}

/** The answers and the watch events of a program. */
async function play(
  stores: ReadonlyMap<number, XenStore>,
  settle: () => Promise<void>,
  actions: readonly Action[],
  before: (index: number) => void = () => undefined,
) {
  const answers: unknown[] = [];
  const events: string[][] = [];
  const watches = new Map<string, () => Promise<void>>();
  const store = (domid: number): XenStore => stores.get(domid) as XenStore;
  for (const [index, action] of actions.entries()) {
    before(index);
    const round: string[] = [];
    events.push(round);
    const key = `${action.by} ${'path' in action ? action.path : ''}`;
    if (action.do === 'step') answers.push(await run(store(action.by), action.step));
    else if (action.do === 'watch' && !watches.has(key)) {
      const told = (changed: string): unknown => events.at(-1)?.push(`${key}: ${changed}`);
      const unwatch = await attempt(() => store(action.by).watch(action.path, told));
      if (typeof unwatch === 'function') watches.set(key, unwatch as () => Promise<void>);
    } else if (action.do === 'unwatch') {
      await watches.get(key)?.();
      watches.delete(key);
    } else if (action.do === 'transaction') {
      answers.push(await attempt(() => transact(store(action.by), store(BUILDER), action, answers)));
    }
    await settle();
    round.sort();
  }
  return { answers, events };
}

async function transact(
  store: XenStore,
  builder: XenStore,
  { steps, meanwhile, commit }: Extract<Action, { do: 'transaction' }>,
  answers: unknown[],
): Promise<unknown> {
  let tries = 0;
  try {
    await store.transaction(async (transaction) => {
      tries += 1;
      for (const step of steps) answers.push(await run(transaction, step));
      if (tries === 1) answers.push(await run(builder, meanwhile));
      if (!commit) throw new Abort();
    });
  } catch (error) {
    if (!(error instanceof Abort)) throw error;
  }
  return tries;
}

async function plainStores() {
  const xen = new MemoryXen();
  const stores = new Map([BUILDER, ...GUESTS].map((domid) => [domid, xen.add(domid).xenstore]));
  return { stores, settle: () => xen.settle() };
}

async function splitStores(seed: number) {
  const split = SplitStore.start({ seed });
  const builder = split.builder();
  const stores = new Map([[BUILDER, builder]]);
  for (const domid of GUESTS) stores.set(domid, await split.addClient(builder, domid));
  await builder.write('/local/domain/4/domid', '4');
  await builder.setPermissions('/local/domain/4', [{ domid: 4, access: 'none' }]);
  await split.xen.settle();
  return { split, stores, settle: () => split.xen.settle() };
}

describe('random programs', () => {
  it('are answered as by the plain store', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(action, { maxLength: 25 }), async (seed, actions) => {
        const plain = await plainStores();
        const { split, stores, settle } = await splitStores(seed);
        const expected = await play(plain.stores, plain.settle, actions);
        expect(await play(stores, settle, actions)).toEqual(expected);
        expect(split.log).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it('are answered as by the plain store, wherever Logic or State ends meanwhile', async () => {
    const end = fc.record({
      after: fc.integer({ min: 1, max: 250 }),
      how: fc.constantFrom('rebuild', 'fail', 'crash of State'),
    });
    const program = fc.array(fc.tuple(action, fc.option(end, { freq: 2 })), { minLength: 1, maxLength: 25 });
    let ends = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), program, async (seed, steps) => {
        const actions = steps.map(([one]) => one);
        const plain = await plainStores();
        const { split, stores, settle } = await splitStores(seed);
        const expected = await play(plain.stores, plain.settle, actions);
        const got = await play(stores, settle, actions, (index) => {
          const ending = steps[index]?.[1];
          if (ending?.how === 'crash of State') split.endStateAfter(ending.after);
          else if (ending) split.endLogicAfter(ending.after, ending.how);
        });
        expect(got).toEqual(expected);
        expect(split.log.filter((line) => !line.endsWith('xenstore-state has started again (ENOTCONN)'))).toEqual([]);
        ends += split.ends;
      }),
      { numRuns: 300 },
    );
    // The property is about something.
    expect(ends).toBeGreaterThan(300);
  });
});
