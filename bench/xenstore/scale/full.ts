/** What XenStore-State takes for each byte that it counts, when guests have filled all that they may have with things of one kind. */
import * as rt from 'ennead:rt';
import { BUILDER_DOMID, FIRST_GUEST_DOMID } from '../../../src/contracts/domids.ts';
import { guestLimits } from '../../../src/contracts/xenstore-limits.ts';
import { homeOf } from '../../../src/contracts/xenstore-paths.ts';
import { Contents } from '../../../src/services/xenstore-state/contents.ts';
import { XenStoreState } from '../../../src/services/xenstore-state/state.ts';
import type { DomId } from '../../../src/xen/ports.ts';
import { FlatRegion } from '../../../test/fuzz/flat-region.ts';

/** Each guest may have all that there is. */
const limits = { ...guestLimits, nodes: 16_000, watches: 2048, permissions: 64, memory: guestLimits['total-memory'] };
const GUESTS = 4;
const VALUE_BYTES = 2000;
const MESSAGE_BYTES = 20;

/** Adds the so-manieth thing of its kind. false: State refuses. */
type Add = (state: XenStoreState, domid: DomId, number: number) => boolean;

function write(state: XenStoreState, domid: DomId, path: string, bytes: number, transaction = 0): boolean {
  const create = [{ domid, access: 'none' }] as const;
  return state.answer('write', { domid, transaction, path, value: new Uint8Array(bytes), create }).outcome === 'ok';
}

const kinds: Readonly<Record<string, Add>> = {
  nodes: (state, domid, number) => write(state, domid, `${homeOf(domid)}/device/vif/${number}`, 5),
  values: (state, domid, number) => write(state, domid, `${homeOf(domid)}/${number}`, VALUE_BYTES),
  names: (state, domid, number) => write(state, domid, `${homeOf(domid)}/${'n'.repeat(VALUE_BYTES)}${number}`, 0),
  permissions: (state, domid, number) => {
    const path = `${homeOf(domid)}/${number}`;
    const permissions = Array.from({ length: limits.permissions }, () => ({ domid, access: 'read' as const }));
    const request = { domid, transaction: 0, path, permissions };
    return write(state, domid, path, 0) && state.answer('setPermissions', request).outcome === 'ok';
  },
  watches: (state, domid, number) =>
    state.answer('watch', { domid, path: `/w/${number}`, token: 't', relative: false }).outcome === 'ok',
  transactions: (state, domid, number) => {
    const { transaction } = number === 0 ? state.answer('transactionStart', { domid }) : { transaction: 0 };
    return write(state, domid, `/t/${domid}/${number}`, 5, transaction || domid - FIRST_GUEST_DOMID + 1);
  },
  events: (state, domid, number) => {
    const message = Uint8Array.from({ length: MESSAGE_BYTES }, (_, at) => (number >> (at % 16)) & 0xff);
    const batch = number * GUESTS + domid;
    return state.answer('queue', { batch, messages: [{ domid, kind: 'event', message }] }).lost.length === 0;
  },
};

export function measureFull(kind: string): void {
  const add = kinds[kind];
  if (!add) throw new Error(`full of what? ${Object.keys(kinds).join(', ')}`);
  const settings = { rootOwner: BUILDER_DOMID, limits, log: () => undefined };
  const state = new XenStoreState(new Contents(new FlatRegion(1)), { contents: [], journal: [] }, settings);
  const domids = Array.from({ length: GUESTS }, (_, index) => FIRST_GUEST_DOMID + index);
  for (const domid of domids) state.answer('introduce', { domid, port: 1, limits: 'guest', announce: false });
  const before = rt.heapStats().usedBytes;
  for (const domid of domids) for (let number = 0; add(state, domid, number); ) number += 1;
  const heap = rt.heapStats().usedBytes - before;
  const counted = state.answer('counts', {}).domains.reduce((sum, { memory }) => sum + memory, 0);
  rt.log(
    `full of ${kind}: ${counted} bytes counted; for each, on the heap ${(heap / counted).toFixed(1)}, ` +
      `in a snapshot ${(state.save().length / counted).toFixed(2)}`,
  );
}
