/** What State refuses because of limits: each bound, on each way to it. */
import { describe, expect, it } from 'vitest';
import { BUILDER_DOMID } from '../../contracts/domids.ts';
import {
  GUEST_SHARE_BYTES,
  GUESTS_MEMORY_MAX,
  guestLimits,
  type LimitKind,
  type Limits,
  SERVICES_MEMORY_MAX,
  UNSENT_BYTES_MAX,
} from '../../contracts/xenstore-limits.ts';
import type { StateRequest } from '../../contracts/xenstore-state.ts';
import { MemoryXen } from '../../xen/memory/memory-xen.ts';
import { Contents } from './contents.ts';
import { manifest } from './manifest.ts';
import { Refusal, XenStoreState } from './state.ts';

const GUEST = 16;
const OTHER = 17;
const SERVICE = 6;

/** Guests as asked for, a service, Builder. */
function store(limits: Partial<Limits> = {}, guests = 2) {
  const { region, refs } = new MemoryXen().add(2).grants.share(3, 4, false);
  const log: string[] = [];
  const settings = {
    rootOwner: BUILDER_DOMID,
    limits: { ...guestLimits, ...limits },
    log: (line: string) => log.push(line),
  };
  const state = new XenStoreState(new Contents(region), { contents: refs, journal: [] }, settings);
  const introduce = (domid: number, kind: LimitKind): unknown =>
    state.answer('introduce', { domid, port: 5, limits: kind, announce: false });
  for (let domid = GUEST; domid < GUEST + guests; domid += 1) introduce(domid, 'guest');
  introduce(SERVICE, 'service');
  introduce(BUILDER_DOMID, 'none');
  const countsOf = (domid: number) => state.answer('counts', {}).domains.find((counts) => counts.domid === domid);
  return {
    state,
    log,
    write: (path: string, bytes: number, domid = GUEST, transaction = 0) =>
      state.answer('write', {
        domid,
        transaction,
        path,
        value: new Uint8Array(bytes),
        create: [{ domid, access: 'both' }],
      }).outcome,
    remove: (path: string, domid = GUEST, transaction = 0) =>
      state.answer('remove', { domid, transaction, path }).outcome,
    protect: (request: Omit<StateRequest<'setPermissions'>, 'domid' | 'transaction'>, domid = GUEST, transaction = 0) =>
      state.answer('setPermissions', { domid, transaction, ...request }).outcome,
    watch: (path: string, domid = GUEST) => state.answer('watch', { domid, path, token: 't', relative: false }).outcome,
    begin: (domid = GUEST) => state.answer('transactionStart', { domid }).transaction,
    end: (transaction: number, domid = GUEST) =>
      state.answer('transactionEnd', { domid, transaction, commit: true }).outcome,
    look: (path: string, transaction: number, domid = GUEST, at = 0) =>
      state.answer('look', { domid, transaction, at, path, value: false, childrenFrom: null }).outcome,
    memoryOf: (domid = GUEST) => countsOf(domid)?.memory ?? 0,
    nodesOf: (domid = GUEST) => countsOf(domid)?.nodes ?? 0,
  };
}

const long = (letter: string, count = 1000): string => `/${`${letter}/`.repeat(count)}${letter}`;

/** The first outcome that is not `ok`, of at most so many tries. */
function until(outcome: (count: number) => string, tries = 100_000): string {
  for (let count = 0; count < tries; count += 1) {
    const got = outcome(count);
    if (got !== 'ok') return got;
  }
  return 'never';
}

describe('nodes', () => {
  it('are counted with those above that a write makes, and one write too many makes none of them', () => {
    const { write, nodesOf } = store({ nodes: 10 });
    expect(write('/1/2/3/4/5/6/7/8/9/10/11', 0)).toBe('too-many-nodes');
    expect(nodesOf()).toBe(0);
    expect(write('/1/2/3/4/5/6/7/8/9/10', 0)).toBe('ok');
    expect(write('/1', 5)).toBe('ok');
    expect(write('/11', 0)).toBe('too-many-nodes');
  });

  it("are bounded inside a transaction as the transaction sees them, at its end as they are then, and others' never", () => {
    const { write, remove, begin, end } = store({ nodes: 3 });
    for (const path of ['/1', '/2', '/3']) write(path, 0);
    const [one, other] = [begin(), begin()];
    expect(write('/4', 0, GUEST, one)).toBe('too-many-nodes');
    remove('/1', GUEST, one);
    expect(write('/4', 0, GUEST, one)).toBe('ok');
    expect(end(one)).toBe('ok');
    remove('/2');
    expect(write('/5', 0, GUEST, other)).toBe('ok');
    write('/6', 0);
    expect(end(other)).toBe('too-many-nodes');
    expect(write('/a/b/c/d', 0, SERVICE)).toBe('ok');
    expect(write('/e/f/g/h', 0, BUILDER_DOMID)).toBe('ok');
  });
});

describe('watches and transactions', () => {
  it('are counted', () => {
    const { watch, begin } = store({ watches: 2, transactions: 2 });
    expect(['/a', '/b', '/c'].map((path) => watch(path))).toEqual(['ok', 'ok', 'too-many']);
    expect([begin(), begin(), begin()].map((id) => id !== 0)).toEqual([true, true, false]);
    expect([1, 2, 3].map(() => begin(SERVICE) !== 0)).toEqual([true, true, true]);
  });

  it('take memory, which is free again when they are gone', () => {
    const { state, watch, begin, write, look, memoryOf } = store({ watches: 2048 });
    expect(until((count) => watch(`/${'x'.repeat(1000)}${count}`))).toBe('too-much-memory');
    state.answer('forget', { domid: GUEST });
    expect(memoryOf()).toBe(0);
    const transaction = begin();
    write('/a', 100, GUEST, transaction);
    look('/b', transaction);
    expect(memoryOf()).toBeGreaterThan(0);
    state.answer('forget', { domid: GUEST });
    expect(memoryOf()).toBe(0);
  });
});

describe('a transaction', () => {
  it('remembers so many nodes, and no more of those that were refused', () => {
    const { look, write, begin, memoryOf } = store({ 'transaction-nodes': 5 });
    const transaction = begin();
    for (let count = 0; count < 5; count += 1) expect(look(`/${count}`, transaction)).toBe('ok');
    const before = memoryOf();
    for (let count = 5; count < 100; count += 1) expect(look(`/${count}`, transaction)).toBe('too-many-nodes');
    expect(write('/9', 0, GUEST, transaction)).toBe('too-many-nodes');
    expect(memoryOf()).toBe(before);
    expect(look('/0', transaction)).toBe('ok');
  });

  it('that looks at long paths which are not there fills no more than its memory', () => {
    const { look, begin, memoryOf } = store({ 'transaction-nodes': 16_000, transactions: 100 });
    const ids = Array.from({ length: 20 }, () => begin());
    const outcome = until((count) => look(long(String(count)), ids[count % ids.length]!, GUEST, count), 10_000);
    expect(outcome).toBe('too-much-memory');
    expect(memoryOf()).toBeLessThanOrEqual(guestLimits.memory);
  });

  it('forgets whole what its client had no right to look at', () => {
    const { state, look, begin, memoryOf } = store({ 'transaction-nodes': 5 });
    const transaction = begin();
    const before = memoryOf();
    for (let at = 1; at < 100; at += 1) {
      expect(look(`/${at}`, transaction, GUEST, at)).toBe('ok');
      state.answer('unsee', { domid: GUEST, transaction, path: `/${at}` });
    }
    expect(memoryOf()).toBe(before);
  });

  it('with the same changes again and again fills no more than its memory', () => {
    const { write, remove, protect, begin, memoryOf } = store();
    const transaction = begin();
    const permissions = [{ domid: GUEST, access: 'none' }] as const;
    write('/a', 0);
    const outcome = until((count) => {
      if (count % 3 === 0) return write('/a', 0, GUEST, transaction);
      return count % 3 === 1
        ? protect({ path: '/a', permissions }, GUEST, transaction)
        : remove('/a', GUEST, transaction);
    });
    expect(outcome).toBe('too-much-memory');
    expect(memoryOf()).toBeLessThanOrEqual(guestLimits.memory);
  });
});

describe('memory', () => {
  it('is bounded for each guest, in values, names and permissions; less is always possible', () => {
    const { write, remove, protect, memoryOf } = store({ nodes: 16_000, 'memory-soft': GUESTS_MEMORY_MAX });
    expect(until((count) => write(`/v${count}`, 2000))).toBe('too-much-memory');
    const many = Array.from({ length: 64 }, () => ({ domid: GUEST, access: 'read' as const }));
    expect(until((count) => protect({ path: `/v${count}`, permissions: many }))).toBe('too-much-memory');
    expect(write(long('n', 500), 0)).toBe('too-much-memory');
    expect(memoryOf()).toBeLessThanOrEqual(guestLimits.memory);
    expect(write('/v0', 10)).toBe('ok');
    expect(remove('/v1')).toBe('ok');
    expect(write('/w', 2000)).toBe('ok');
  });

  it("is the owner's when another guest writes, also through a transaction's end", () => {
    const { write, begin, end, memoryOf } = store({ memory: 64 * 1024 });
    for (let count = 0; count < 100; count += 1) write(`/n${count}`, 0);
    expect(until((count) => write(`/n${count}`, 2000, OTHER))).toBe('too-much-memory');
    const before = memoryOf();
    const transaction = begin(OTHER);
    for (let count = 60; count < 70; count += 1) expect(write(`/n${count}`, 2000, OTHER, transaction)).toBe('ok');
    expect(end(transaction, OTHER)).toBe('too-much-memory');
    expect(memoryOf()).toBe(before);
  });

  it('that is filled by Builder, for a guest or for itself, is never refused', () => {
    const { write, protect, memoryOf } = store();
    const owner = [{ domid: GUEST, access: 'none' }] as const;
    for (let count = 0; count < 200; count += 1) {
      expect(write(`/${count}`, 2000, BUILDER_DOMID)).toBe('ok');
      protect({ path: `/${count}`, permissions: owner }, BUILDER_DOMID);
    }
    expect(memoryOf()).toBeGreaterThan(guestLimits.memory);
  });

  it('beyond the soft quota is told of once, until the guest comes again', () => {
    const { state, log, write, remove } = store({ 'memory-soft': 10_000 });
    for (let round = 0; round < 3; round += 1) {
      for (let count = 0; count < 20; count += 1) write(`/${count}`, 2000);
      for (let count = 0; count < 20; count += 1) remove(`/${count}`);
    }
    expect(log).toEqual(['domain 16 exceeds soft memory quota']);
    state.answer('introduce', { domid: GUEST, port: 6, limits: 'guest', announce: false });
    for (let count = 0; count < 20; count += 1) write(`/${count}`, 2000);
    expect(log).toHaveLength(2);
  });

  it('of events is bounded as well: who has none left loses them, and an answer is never lost', () => {
    const { state, write, memoryOf } = store({ memory: GUEST_SHARE_BYTES });
    expect(until((count) => write(`/${count}`, 1000))).toBe('too-much-memory');
    const queue = (batch: number, kind: 'event' | 'reply') =>
      state.answer('queue', { batch, messages: [{ domid: GUEST, kind, message: new Uint8Array(2000).fill(batch) }] })
        .lost;
    expect(until((count) => (queue(count + 1, 'event').length === 0 ? 'ok' : 'lost'), UNSENT_BYTES_MAX)).toBe('lost');
    expect(memoryOf()).toBeLessThanOrEqual(GUEST_SHARE_BYTES);
    expect(queue(99_999, 'reply')).toEqual([]);
    expect(state.answer('counts', {}).domains.find(({ domid }) => domid === GUEST)).toMatchObject({ outstanding: 1 });
  });
});

describe('the memory of all guests together', () => {
  const total = 10 * GUEST_SHARE_BYTES;

  it('is bounded, though each is within its own quota, and every guest can still have its share', () => {
    const guests = 8;
    const { write, memoryOf } = store({ 'total-memory': total }, guests);
    const domids = Array.from({ length: guests }, (_, index) => GUEST + index);
    const [greedy, ...others] = domids;
    expect(until((count) => write(`/greedy/${count}`, 1000, greedy))).toBe('too-much-memory');
    expect(memoryOf(greedy)).toBeLessThan(guestLimits.memory);
    for (const domid of others) {
      expect(until((count) => write(`/${domid}/${count}`, 1000, domid))).toBe('too-much-memory');
      expect(memoryOf(domid)).toBeGreaterThan(GUEST_SHARE_BYTES - 2000);
    }
    const sum = domids.reduce((bytes, domid) => bytes + memoryOf(domid), 0);
    expect(sum).toBeLessThanOrEqual(total);
    expect(sum).toBeGreaterThan(total - guests * 2000);
  });

  it('is bounded also for more guests than there are shares', () => {
    const guests = 20;
    const { write, memoryOf } = store({ 'total-memory': total }, guests);
    let sum = 0;
    for (let domid = GUEST; domid < GUEST + guests; domid += 1) {
      until((count) => write(`/${domid}/${count}`, 1000, domid));
      sum += memoryOf(domid);
    }
    expect(sum).toBeLessThanOrEqual(total);
  });

  it('is not that of services, which have a bound of their own, and Builder has none', () => {
    const { write, memoryOf } = store({ 'total-memory': GUEST_SHARE_BYTES });
    expect(until((count) => write(`/g/${count}`, 1000))).toBe('too-much-memory');
    expect(until((count) => write(`/s/${count}`, 1000, SERVICE))).toBe('too-much-memory');
    expect(memoryOf(SERVICE)).toBeGreaterThan(SERVICES_MEMORY_MAX - 2000);
    expect(write('/b', 1000, BUILDER_DOMID)).toBe('ok');
  });

  it('and that of services have nothing to do with what Builder and Toolstack have', () => {
    const { write } = store();
    for (let count = 0; count < 300; count += 1) write(`/b/${count}`, 2000, BUILDER_DOMID);
    for (const domid of [GUEST, SERVICE]) expect(write(`/of-${domid}`, 2000, domid)).toBe('ok');
  });

  it("is free again with a guest's death", () => {
    const { state, write } = store({ 'total-memory': total });
    until((count) => write(`/16/${count}`, 1000));
    state.answer('depart', { gone: [GUEST], strangers: [GUEST], shut: [], announce: false });
    expect(until((count) => write(`/17/${count}`, 1000, OTHER), 50)).toBe('never');
  });
});

describe('limits', () => {
  it('can be set within their bounds, lower than what is used too, and outlive the process', () => {
    const { state, write } = store();
    for (const path of ['/1', '/2', '/3']) write(path, 0);
    state.answer('setLimit', { name: 'nodes', value: 2 });
    expect([write('/4', 0), write('/1', 5)]).toEqual(['too-many-nodes', 'ok']);
    for (const [name, value] of [
      ['nodes', 0],
      ['nodes', 16_001],
      ['total-memory', GUESTS_MEMORY_MAX + 1],
      ['outstanding', 2],
      ['events', 1],
    ] as const)
      expect(() => state.answer('setLimit', { name, value })).toThrow(Refusal);
    const successor = store().state;
    successor.load(state.save());
    expect(successor.answer('limits', {})).toEqual(state.answer('limits', {}));
    expect(state.answer('limits', {}).values).toContain(2);
  });

  it("leave a good part of State's VM to those who have none, at eight bytes for one", () => {
    const contents = (manifest.memoryMib * 1024 * 1024 * 7) / 16;
    expect(8 * (GUESTS_MEMORY_MAX + SERVICES_MEMORY_MAX)).toBeLessThanOrEqual((contents * 2) / 3);
  });
});
