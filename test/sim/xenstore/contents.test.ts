/** What Logic reads in the pages that State shows is what State would answer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../src/contracts/domids.ts';
import { connectionKey, hashOf } from '../../../src/contracts/xenstore-contents.ts';
import type { StateAnswer, StateRequest } from '../../../src/contracts/xenstore-state.ts';
import { ShownContents } from '../../../src/services/xenstore-logic/contents.ts';
import { Contents } from '../../../src/services/xenstore-state/contents.ts';
import { XenStoreState } from '../../../src/services/xenstore-state/state.ts';
import { encodeText } from '../../../src/wire/xenstore-message.ts';
import { MemoryXen } from '../../../src/xen/memory/memory-xen.ts';
import type { SharedRegion } from '../../../src/xen/ports.ts';

const CLIENTS = [16, 17];
const owned = (domid: number) => [{ domid, access: 'none' }] as const;

function show(pages: number) {
  const xen = new MemoryXen();
  const [state, logic] = [xen.add(XENSTORE_STATE_DOMID), xen.add(XENSTORE_LOGIC_DOMID)];
  const { region, refs } = state.grants.share(XENSTORE_LOGIC_DOMID, pages, false);
  const server = new XenStoreState(
    new Contents(region),
    { contents: refs, journal: [] },
    { rootOwner: BUILDER_DOMID, log: () => undefined },
  );
  for (const domid of CLIENTS) server.answer('introduce', { domid, port: 5, limits: 'guest', announce: false });
  return { server, pages: logic.grants.map(XENSTORE_STATE_DOMID, refs, false) };
}

/** What the pages alone say. undefined: not all of it. */
function shown(pages: SharedRegion, request: StateRequest<'look'>): StateAnswer<'look'> | undefined {
  const asked = new Error('asked');
  try {
    const contents = new ShownContents(pages, () => {
      throw asked;
    });
    const look = contents.look(request);
    const { outcome, target, exact, parentExists } = look;
    const { permissions, generation, value, childrenBytes, children } = look;
    return { outcome, target, exact, parentExists, permissions, generation, value, childrenBytes, children };
  } catch (error) {
    if (error === asked) return undefined;
    throw error;
  }
}

const name = fc.constantFrom('a', 'b', 'c', 'aa');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join('/')}`);
const client = fc.constantFrom(...CLIENTS);
const change = fc.oneof(
  fc.record({
    is: fc.constant('write' as const),
    domid: client,
    path,
    length: fc.constantFrom(0, 1, 40, 200, 5000, 9000),
  }),
  fc.record({ is: fc.constant('remove' as const), domid: client, path }),
  fc.record({ is: fc.constant('owner' as const), domid: client, path, owner: client }),
  fc.record({ is: fc.constant('release' as const), domid: client }),
  fc.record({ is: fc.constant('target' as const), domid: client, target: client }),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function make(server: XenStoreState, one: Change): void {
  const { domid } = one;
  const transaction = 0;
  if (one.is === 'write')
    server.answer('write', {
      domid,
      transaction,
      path: one.path,
      value: new Uint8Array(one.length).fill(7),
      create: owned(domid),
    });
  else if (one.is === 'remove') server.answer('remove', { domid, transaction, path: one.path });
  else if (one.is === 'owner')
    server.answer('setPermissions', { domid, transaction, path: one.path, permissions: owned(one.owner) });
  else if (one.is === 'target') server.answer('setTarget', { domid, target: one.target });
  else {
    server.answer('depart', { gone: [domid], strangers: [], shut: [], announce: false });
    server.answer('introduce', { domid, port: 6, limits: 'guest', announce: false });
  }
}

describe('the contents that State shows', () => {
  it.each([
    ['room for all', 128],
    ['room for a few', 2],
  ])('say what State says, or nothing: %s', (_, count) => {
    let told = 0;
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 60 }),
        fc.array(fc.tuple(client, path, fc.constantFrom(null, 0, 3, 999_999_999)), { maxLength: 20 }),
        (changes, asked) => {
          const { server, pages } = show(count);
          for (const one of changes) {
            make(server, one);
            for (const [domid, wanted, childrenFrom] of asked) {
              const request = { domid, transaction: 0, at: 0, path: wanted, value: true, childrenFrom };
              const seen = shown(pages, request);
              if (seen) expect(seen).toEqual(server.answer('look', request));
              if (seen) told += 1;
            }
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(told).toBeGreaterThan(100);
  });

  it('say everything while there is room, and again when what had none is gone', () => {
    const { server, pages } = show(2);
    const look = (wanted: string) =>
      shown(pages, { domid: 16, transaction: 0, at: 0, path: wanted, value: true, childrenFrom: null });
    const write = (wanted: string, length: number) =>
      server.answer('write', {
        domid: 16,
        transaction: 0,
        path: wanted,
        value: new Uint8Array(length),
        create: owned(16),
      });
    write('/small', 1);
    expect(look('/small')).toMatchObject({ exact: true });
    expect(look('/nothing')).toMatchObject({ exact: false, parentExists: true });
    write('/large', 5000);
    expect(look('/small')).toMatchObject({ exact: true });
    expect([look('/large'), look('/nothing')]).toEqual([undefined, undefined]);
    server.answer('remove', { domid: 16, transaction: 0, path: '/large' });
    expect(look('/nothing')).toMatchObject({ exact: false });
  });

  it('end a look whose chain has a loop', () => {
    const { server, pages } = show(4);
    server.answer('write', { domid: 16, transaction: 0, path: '/a', value: new Uint8Array(1), create: owned(16) });
    // As of a State that has gone wrong: every word is the first record's own offset.
    const loop = {
      ...pages,
      read: (_: number, length: number) => new Uint8Array(new Uint32Array(length / 4).fill(4096).buffer),
      load32: (offset: number) => (offset === 0 ? 0 : 4096),
    };
    expect(() =>
      shown(loop, { domid: 16, transaction: 0, at: 0, path: '/b', value: false, childrenFrom: null }),
    ).toThrow('loop');
  });

  it('hash the keys of many domains differently', () => {
    const keys = Array.from({ length: 500 }, (_, n) => [
      `/local/domain/${n}/device/vif/0/state`,
      connectionKey(n),
    ]).flat();
    expect(new Set(keys.map((key) => hashOf(encodeText(key)))).size).toBe(1000);
  });
});
