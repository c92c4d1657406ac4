import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILDER_DOMID } from '../../contracts/domids.ts';
import { UNSENT_BYTES_MAX } from '../../contracts/xenstore-limits.ts';
import {
  CHANGE,
  CONTEXT_BYTES_MAX,
  changeHeader,
  FIRED_MAX,
  type Permissions,
  REFUSED,
  stateChanges,
  stateNotes,
  WATCHERS_MAX,
} from '../../contracts/xenstore-state.ts';
import { decode, encode } from '../../wire/binary.ts';
import { MemoryXen } from '../../xen/memory/memory-xen.ts';
import { Contents } from './contents.ts';
import { answerMessage } from './messages.ts';
import { CONFLICTS_MAX, HELD_MAX } from './reservations.ts';
import { Refusal, XenStoreState } from './state.ts';

const GUEST = 16;
const OTHER = 17;
const owned = (domid: number): Permissions => [{ domid, access: 'none' }];
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function freshState(): XenStoreState {
  const { region, refs } = new MemoryXen().add(2).grants.share(3, 4, false);
  return new XenStoreState(
    new Contents(region),
    { contents: refs, journal: [] },
    { rootOwner: BUILDER_DOMID, log: () => undefined },
  );
}

function withClients() {
  const state = freshState();
  for (const domid of [GUEST, OTHER]) state.answer('introduce', { domid, port: 5, limits: 'none', announce: false });
  return {
    state,
    write: (path: string, value: string, transaction = 0) =>
      state.answer('write', { domid: GUEST, transaction, path, value: bytes(value), create: owned(GUEST) }),
    look: (path: string, transaction = 0, childrenFrom: number | null = null, at = 0) =>
      state.answer('look', { domid: GUEST, transaction, at, path, value: true, childrenFrom }),
    begin: (domid = GUEST) => state.answer('transactionStart', { domid }).transaction,
    end: (transaction: number) => state.answer('transactionEnd', { domid: GUEST, transaction, commit: true }),
    watch: (path: string, token: string, domid = GUEST) =>
      state.answer('watch', { domid, path, token, relative: false }),
  };
}

describe('unsee', () => {
  it('forgets a look that its client had no right to, however often it was asked for, and no earlier one', () => {
    const { state, write, look, begin, end } = withClients();
    write('/a', 'x');
    const [forgotten, kept] = [begin(), begin()];
    for (const at of [1, 2]) look('/a', kept, null, at);
    for (const at of [1, 1]) look('/a', forgotten, null, at);
    for (const transaction of [kept, forgotten]) state.answer('unsee', { domid: GUEST, transaction, path: '/a' });
    write('/a', 'y');
    expect(end(forgotten)).toMatchObject({ outcome: 'ok' });
    expect(end(kept)).toMatchObject({ outcome: 'conflict' });
  });
});

describe('look', () => {
  it('answers with the nearest node above, and whether it is the parent', () => {
    const { write, look } = withClients();
    write('/a/b', 'x');
    expect(look('/a/b')).toMatchObject({ exact: true, value: bytes('x'), permissions: owned(GUEST) });
    expect(look('/a/c')).toMatchObject({ exact: false, parentExists: true, permissions: owned(GUEST) });
    expect(look('/q/r')).toMatchObject({ exact: false, parentExists: false, permissions: owned(4) });
  });

  it('answers with children in portions', () => {
    const { write, look } = withClients();
    for (let index = 0; index < 500; index += 1) write(`/a/${'n'.repeat(10)}${index}`, '');
    const whole = look('/a', 0, 0);
    expect(whole.children).toHaveLength(4096);
    const rest = look('/a', 0, 4096);
    expect(rest.children).toHaveLength(whole.childrenBytes - 4096);
    expect(look('/a', 0, 99_999).children).toHaveLength(0);
  });

  it("says that a connection or a transaction is not there, another domain's included", () => {
    const { state, look, begin } = withClients();
    expect(look('/', 77).outcome).toBe('no-transaction');
    expect(look('/', begin(OTHER)).outcome).toBe('no-transaction');
    const stranger = { domid: 99, transaction: 0, at: 0, path: '/', value: false, childrenFrom: null };
    expect(state.answer('look', stranger).outcome).toBe('no-connection');
  });
});

describe('the count of nodes', () => {
  it('follows creation, removal, change of owner, and the end of a transaction', () => {
    const { state, write, begin, end } = withClients();
    const nodes = () => state.answer('counts', {}).domains.find(({ domid }) => domid === GUEST)?.nodes;
    write('/a/b/c', '');
    expect(nodes()).toBe(3);
    state.answer('setPermissions', { domid: GUEST, transaction: 0, path: '/a/b', permissions: owned(OTHER) });
    expect(nodes()).toBe(2);
    const transaction = begin();
    write('/a/d', '', transaction);
    expect(nodes()).toBe(2);
    end(transaction);
    expect(nodes()).toBe(3);
    state.answer('remove', { domid: GUEST, transaction: 0, path: '/a' });
    expect(nodes()).toBe(0);
  });
});

describe('counts', () => {
  it('say what each domain has: a connection at least, nodes also of services that are gone', () => {
    const { state, write, watch, begin } = withClients();
    const countsOf = (domid: number) => state.answer('counts', {}).domains.find((counts) => counts.domid === domid);
    write('/a/b', '');
    watch('/a', 'token', OTHER);
    begin(OTHER);
    expect(countsOf(GUEST)).toMatchObject({ domid: GUEST, nodes: 2, watches: 0, transactions: 0 });
    expect(countsOf(OTHER)).toMatchObject({ domid: OTHER, nodes: 0, watches: 1, transactions: 1 });
    state.answer('depart', { gone: [GUEST, OTHER], strangers: [], shut: [], announce: false });
    expect(countsOf(GUEST)).toMatchObject({ domid: GUEST, nodes: 2, watches: 0, transactions: 0 });
    expect(countsOf(OTHER)).toBeUndefined();
  });
});

describe('a domain', () => {
  it('is announced when it is introduced, and again only when it was released meanwhile', () => {
    const { state, watch } = withClients();
    watch('@introduceDomain', 'token', OTHER);
    const introduce = () =>
      state.answer('introduce', { domid: 40, port: 5, limits: 'none', announce: true }).fired.length;
    expect(introduce()).toBe(1);
    expect(introduce()).toBe(0);
    state.answer('depart', { gone: [40], strangers: [], shut: [], announce: true });
    expect(introduce()).toBe(1);
  });
});

describe('a guest that has lost its connection and lives', () => {
  it('keeps what it owns, and is named to whoever looks for the dead', () => {
    const { state, write } = withClients();
    write('/a', 'x');
    const owner = () => state.answer('counts', {}).domains.find(({ domid }) => domid === GUEST)?.nodes;
    state.answer('depart', { gone: [GUEST], strangers: [], shut: [], announce: true });
    expect(owner()).toBe(1);
    expect(state.answer('connections', {}).named).toEqual([GUEST]);
    state.answer('depart', { gone: [], strangers: [GUEST], shut: [], announce: false });
    expect(owner()).toBeUndefined();
    expect(state.answer('connections', {}).named).toEqual([]);
  });
});

describe('a transaction', () => {
  it('conflicts when a node that it looked at has changed, come or gone, and then is over', () => {
    const { state, write, look, begin, end } = withClients();
    write('/a', '');
    for (const disturb of [
      () => write('/a', 'other'),
      () => write('/a/child', ''),
      () => state.answer('setPermissions', { domid: GUEST, transaction: 0, path: '/a', permissions: owned(OTHER) }),
      () => state.answer('remove', { domid: GUEST, transaction: 0, path: '/a' }),
      () => write('/a', 'again'),
    ]) {
      const transaction = begin();
      look('/a', transaction);
      disturb();
      expect(end(transaction).outcome).toBe('conflict');
      expect(end(transaction).outcome).toBe('no-transaction');
    }
  });

  it('conflicts when a node has changed since it made a child of it, and it looks at the node then', () => {
    const { write, look, begin, end } = withClients();
    write('/a', 'old');
    const transaction = begin();
    write('/a/mine', '1', transaction);
    write('/a', 'new');
    expect(new TextDecoder().decode(look('/a', transaction).value)).toBe('old');
    expect(end(transaction).outcome).toBe('conflict');
  });

  it('does not conflict with a new sibling of a node that it makes', () => {
    const { write, look, begin, end } = withClients();
    write('/a', '');
    const transaction = begin();
    look('/a/mine', transaction);
    write('/a/mine', '1', transaction);
    write('/a/other', '2');
    expect(end(transaction).outcome).toBe('ok');
    expect(new TextDecoder().decode(look('/a', 0, 0).children)).toBe('other\0mine\0');
  });

  it('sees one node as it was, however often it looks', () => {
    const { write, look, begin } = withClients();
    write('/a', 'before');
    const transaction = begin();
    look('/a', transaction);
    write('/a', 'after');
    expect(look('/a', transaction).value).toEqual(bytes('before'));
  });
});

describe('a transaction that keeps conflicting', () => {
  const conflicting = () => {
    const clients = withClients();
    const { state, write, look, begin, end } = clients;
    write('/a', '');
    const disturb = (path = '/a') =>
      state.answer('write', { domid: OTHER, transaction: 0, path, value: null, create: owned(OTHER) }).outcome;
    const overwrite = () =>
      state.answer('write', { domid: OTHER, transaction: 0, path: '/a', value: bytes('x'), create: owned(OTHER) })
        .outcome;
    for (let time = 0; time < CONFLICTS_MAX; time += 1) {
      const transaction = begin();
      look('/a', transaction);
      expect(overwrite()).toBe('ok');
      expect(end(transaction).outcome).toBe('conflict');
    }
    const transaction = begin();
    look('/a', transaction);
    return { ...clients, transaction, disturb, overwrite };
  };

  it('is not disturbed any more, and only in what it has looked at, until it ends', () => {
    const { state, begin, write, end, transaction, disturb, overwrite } = conflicting();
    expect(overwrite()).toBe('held');
    expect(disturb('/a/b')).toBe('held');
    expect(disturb('/b')).toBe('ok');
    expect(state.answer('remove', { domid: OTHER, transaction: 0, path: '/a' }).outcome).toBe('held');
    const theirs = begin(OTHER);
    state.answer('write', { domid: OTHER, transaction: theirs, path: '/a', value: bytes('y'), create: owned(OTHER) });
    const ending = { domid: OTHER, transaction: theirs, commit: true };
    expect(state.answer('transactionEnd', ending).outcome).toBe('held');
    write('/a', 'mine', transaction);
    expect(end(transaction).outcome).toBe('ok');
    expect(state.answer('transactionEnd', ending).outcome).toBe('ok');
    expect(overwrite()).toBe('ok');
  });

  it('holds nobody up for ever, nor services, nor its own domain', () => {
    const { state, write, end, transaction, overwrite } = conflicting();
    const service = { domid: BUILDER_DOMID, transaction: 0, path: '/c', value: null, create: owned(BUILDER_DOMID) };
    state.answer('introduce', { domid: BUILDER_DOMID, port: 1, limits: 'none', announce: false });
    expect(state.answer('write', { ...service, path: '/a' }).outcome).toBe('ok');
    for (let time = 0; time < HELD_MAX; time += 1) expect(overwrite()).toBe('held');
    expect(overwrite()).toBe('ok');
    expect(end(transaction).outcome).toBe('conflict');
    const again = conflicting();
    again.write('/a', 'own');
    expect(again.end(again.transaction).outcome).toBe('conflict');
    write('/a', '');
  });

  it('that does not end gives way to another one that keeps conflicting', () => {
    const { state, write, overwrite } = conflicting();
    write('/b', '');
    const start = () => state.answer('transactionStart', { domid: OTHER }).transaction;
    const looked = (transaction: number) =>
      state.answer('look', { domid: OTHER, transaction, at: 0, path: '/b', value: false, childrenFrom: null });
    for (let time = 0; time < CONFLICTS_MAX + 12; time += 1) {
      const transaction = start();
      looked(transaction);
      write('/b', String(time));
      state.answer('transactionEnd', { domid: OTHER, transaction, commit: true });
    }
    expect(overwrite()).toBe('ok');
  });

  it('that is forgotten holds nobody', () => {
    const { state, overwrite } = conflicting();
    state.answer('forget', { domid: GUEST });
    expect(overwrite()).toBe('ok');
  });
});

describe('watches', () => {
  it('at and above a changed path are fired, in portions that lose none', () => {
    const { state, write, watch } = withClients();
    const watches = 2 * FIRED_MAX * WATCHERS_MAX + 3;
    for (let index = 0; index < watches; index += 1) watch('/a', `t${index}`);
    watch('/a/b/c', 'below');
    let firing = write('/a/b', '1');
    const tokens = firing.fired.flatMap(({ watchers }) => watchers.map(({ token }) => token));
    expect(firing.fired).toHaveLength(FIRED_MAX);
    for (let from = FIRED_MAX; firing.more; from += FIRED_MAX) {
      expect(state.answer('firedNext', { from })).toEqual(state.answer('firedNext', { from }));
      firing = { outcome: 'ok', ...state.answer('firedNext', { from }) };
      tokens.push(...firing.fired.flatMap(({ watchers }) => watchers.map(({ token }) => token)));
    }
    expect(tokens).toEqual(Array.from({ length: watches }, (_, index) => `t${index}`));
  });

  it('name the target for which their domain acts', () => {
    const { state, write, watch } = withClients();
    watch('/a', 'token', OTHER);
    expect(state.answer('setTarget', { domid: OTHER, target: GUEST }).known).toBe(true);
    expect(write('/a', '').fired[0]?.watchers[0]).toMatchObject({ domid: OTHER, target: GUEST });
    state.answer('depart', { gone: [GUEST], strangers: [], shut: [], announce: false });
    expect(
      state.answer('look', { domid: OTHER, transaction: 0, at: 0, path: '/', value: false, childrenFrom: null }).target,
    ).toBeNull();
  });

  it('are not doubled, and gone with their domain', () => {
    const { state, write, watch } = withClients();
    const one = { domid: GUEST, path: '/a', token: 't', relative: false };
    expect(state.answer('watch', one).outcome).toBe('ok');
    expect(state.answer('watch', one).outcome).toBe('exists');
    expect(state.answer('unwatch', { domid: OTHER, path: '/a', token: 't' }).known).toBe(false);
    watch('/a', 'other', OTHER);
    state.answer('forget', { domid: GUEST });
    expect(write('/a', '').fired.flatMap(({ watchers }) => watchers.map(({ token }) => token))).toEqual(['other']);
  });
});

describe('unsent bytes', () => {
  let batch = 0;
  const queue = (state: XenStoreState, kind: 'event' | 'reply', text: string, domid = GUEST) => {
    batch += 1;
    return state.answer('queue', { batch, messages: [{ domid, kind, message: bytes(text) }] }).lost;
  };
  const unsent = (state: XenStoreState, producer: number) =>
    new TextDecoder().decode(state.answer('unsent', { domid: GUEST, producer }).next);

  it('come in order, from where the sending stopped, as often as they are asked for', () => {
    const { state } = withClients();
    queue(state, 'event', 'abc');
    queue(state, 'reply', 'def');
    const start = 0xffff_fffe;
    expect(unsent(state, start)).toBe('abcdef');
    expect(unsent(state, start)).toBe('abcdef');
    expect(unsent(state, 0)).toBe('cdef');
    queue(state, 'event', 'ghi');
    expect(unsent(state, 4)).toBe('ghi');
    expect(unsent(state, 7)).toBe('');
  });

  it('are not lost by an index that nobody can have reached', () => {
    const { state } = withClients();
    queue(state, 'event', 'abc');
    for (const producer of [0, 500, 499, 4000]) expect(unsent(state, producer)).toBe('abc');
    expect(unsent(state, 4001)).toBe('bc');
  });

  it('of one batch are added once', () => {
    const { state } = withClients();
    const messages = [{ domid: GUEST, kind: 'reply', message: bytes('abc') }] as const;
    for (let time = 0; time < 2; time += 1) state.answer('queue', { batch: 1_000_000, messages });
    expect(unsent(state, 0)).toBe('abc');
  });

  it('hold an event once, unless it may be half sent', () => {
    const { state } = withClients();
    for (const event of ['first', 'second', 'first', 'second', 'first']) queue(state, 'event', event);
    expect(unsent(state, 0)).toBe('firstsecondfirst');
  });

  it('are bounded for events, and a reply is never lost', () => {
    const { state } = withClients();
    for (let index = 0; index * 1024 < UNSENT_BYTES_MAX; index += 1)
      expect(queue(state, 'event', String(index).padStart(1024))).toEqual([]);
    expect(queue(state, 'event', 'more')).toEqual([GUEST]);
    expect(queue(state, 'reply', 'more')).toEqual([]);
    expect(queue(state, 'reply', 'x', 99)).toEqual([99]);
  });
});

describe('a change', () => {
  const watchChange = (number: number, token: string) => {
    const [operation, codec] = stateChanges.watch;
    const header = encode(changeHeader, { number, context: bytes(`context ${number}`) });
    const request = encode(codec, { domid: GUEST, path: '/a', token, relative: false });
    return Uint8Array.of(CHANGE, ...header, operation, ...request);
  };
  const outcome = (answer: Uint8Array) => {
    const [operation, , codec] = stateChanges.watch;
    return answer[0] === operation ? decode(codec, answer.subarray(1)).outcome : 'refused';
  };

  it('is remembered, with its context and its answer', () => {
    const { state } = withClients();
    const ask = (message: Uint8Array) => outcome(answerMessage(state, message, () => undefined).answer);
    expect([ask(watchChange(1, 't')), ask(watchChange(2, 't'))]).toEqual(['ok', 'exists']);
    const { number, context, answer } = state.answer('lastChange', {});
    expect([number, new TextDecoder().decode(context), outcome(answer)]).toEqual([2, 'context 2', 'exists']);
  });

  it('without a number, of a query, or with a context that is too long is refused, and not remembered', () => {
    const { state } = withClients();
    const ask = (message: Uint8Array) => answerMessage(state, message, () => undefined).answer[0];
    const header = (number: number, context: Uint8Array) => encode(changeHeader, { number, context });
    const nothing = new Uint8Array(0);
    const [forget, codec] = stateNotes.forget;
    for (const message of [
      watchChange(0, 't'),
      Uint8Array.of(CHANGE, ...header(1, nothing), forget, ...encode(codec, { domid: GUEST })),
      Uint8Array.of(CHANGE, ...header(1, new Uint8Array(CONTEXT_BYTES_MAX + 1)), 3, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(CHANGE, ...header(1, nothing)),
      watchChange(1, 't').subarray(1 + header(1, bytes('context 1')).length),
    ])
      expect(ask(message)).toBe(REFUSED);
    expect(state.answer('lastChange', {}).number).toBe(0);
  });
});

describe('what Logic should never ask', () => {
  it.each([
    [
      'to remove the root',
      (state: XenStoreState) => state.answer('remove', { domid: GUEST, transaction: 0, path: '/' }),
    ],
    ['to write a special path', (state: XenStoreState) => put(state, '@releaseDomain', owned(GUEST))],
    ['to write something that is no path', (state: XenStoreState) => put(state, '/a//b', owned(GUEST))],
    ['for a node without an owner', (state: XenStoreState) => put(state, '/a', [])],
    ['for a domain without a connection', (state: XenStoreState) => state.answer('transactionStart', { domid: 99 })],
    [
      'to keep more of a request than there can be',
      (state: XenStoreState) => state.answer('keepPartial', { domid: GUEST, bytes: new Uint8Array(4113), until: 0 }),
    ],
  ])('%s', (_, ask) => {
    expect(() => ask(withClients().state)).toThrow(Refusal);
  });

  const put = (state: XenStoreState, path: string, create: Permissions) =>
    state.answer('write', { domid: GUEST, transaction: 0, path, value: null, create });

  it('any bytes at all: refused or answered, never worse', () => {
    const state = freshState();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (message) => {
        const { answer } = answerMessage(state, message, () => undefined);
        expect([0, message[0]]).toContain(answer[0]);
      }),
      { numRuns: 2000 },
    );
  });
});
