/**
 * What comes of a change: a function of State's answer, and of nothing else. So whoever starts after Logic has ended can say it as well, of a
 * change whose request it never saw.
 */
import { type StateAnswer, type StateChange, type StateRequest, stateChanges } from '../../contracts/xenstore-state.ts';
import { type Codec, decode } from '../../wire/binary.ts';
import { type ErrorName, encodeStrings } from '../../wire/xenstore-message.ts';
import type { DomId } from '../../xen/ports.ts';

/** A request's handler decides for a change; it is made after the handler has ended. */
export class Change<C extends StateChange = StateChange> {
  constructor(
    readonly operation: C,
    readonly request: StateRequest<C>,
  ) {}
}

/** Whom a change is to be answered to, and where its request ends in the ring. null: nobody asked. */
export type ReplyContext = {
  readonly domid: DomId;
  readonly consumer: number;
  readonly type: number;
  readonly requestId: number;
  readonly transactionId: number;
  /** For a new watch: what its own first event says. */
  readonly ownEvent: Uint8Array;
} | null;

/** Words, then the event. */
const CONTEXT_BYTES = 20;
const NOBODY = new Uint8Array(0);

export function encodeContext(to: ReplyContext): Uint8Array {
  if (!to) return NOBODY;
  const bytes = new Uint8Array(CONTEXT_BYTES + to.ownEvent.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, to.domid, true);
  view.setUint32(4, to.consumer, true);
  view.setUint32(8, to.type, true);
  view.setUint32(12, to.requestId, true);
  view.setUint32(16, to.transactionId, true);
  if (to.ownEvent.length > 0) bytes.set(to.ownEvent, CONTEXT_BYTES);
  return bytes;
}

export function decodeContext(bytes: Uint8Array): ReplyContext {
  if (bytes.length === 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    domid: view.getUint32(0, true),
    consumer: view.getUint32(4, true),
    type: view.getUint32(8, true),
    requestId: view.getUint32(12, true),
    transactionId: view.getUint32(16, true),
    ownEvent: bytes.slice(CONTEXT_BYTES),
  };
}

export interface Conclusion {
  /** The answer's payload, or the error's name. `held`: the request stays where it is, and is asked for again. */
  readonly result: Uint8Array | ErrorName | 'held';
  /** What watches are told before the answer goes out. */
  readonly firing?: StateAnswer<'firedNext'>;
}

/** Nothing comes of a request but its acknowledgement. */
export const acknowledged = encodeStrings(['OK']);

const fires = (firing: StateAnswer<'firedNext'>): Conclusion => ({ result: acknowledged, firing });
/** What is not done, in the protocol's words. @source tools/xenstore/xenstored_{core,transaction,watch}.c */
export const refusals = {
  held: 'held',
  'no-transaction': 'ENOENT',
  conflict: 'EAGAIN',
  exists: 'EEXIST',
  'too-many': 'E2BIG',
  'too-many-nodes': 'ENOSPC',
  'too-much-memory': 'ENOMEM',
} as const;
type Outcome = 'ok' | keyof typeof refusals;
const mayFire = ({ outcome, ...firing }: StateAnswer<'firedNext'> & { readonly outcome: Outcome }): Conclusion =>
  outcome === 'ok' ? fires(firing) : { result: refusals[outcome] };

const conclusions: { readonly [C in StateChange]: (answer: StateAnswer<C>) => Conclusion } = {
  introduce: fires,
  depart: fires,
  make: fires,
  write: mayFire,
  remove: mayFire,
  setPermissions: mayFire,
  watch: ({ outcome }) => ({ result: outcome === 'ok' ? acknowledged : refusals[outcome] }),
  unwatch: ({ known }) => ({ result: known ? acknowledged : 'ENOENT' }),
  transactionStart: ({ transaction }) => ({
    result: transaction === 0 ? 'ENOSPC' : encodeStrings([String(transaction)]),
  }),
  transactionEnd: mayFire,
};

const byNumber: ReadonlyMap<number, StateChange> = new Map(
  (Object.keys(stateChanges) as StateChange[]).map((change) => [stateChanges[change][0], change]),
);

/** `answer`: State's, as it came. */
export function conclude(answer: Uint8Array): Conclusion {
  const change = byNumber.get(answer[0] ?? 0);
  if (!change) throw new Error('xenstore-state answered no change');
  const codec: Codec<unknown> = stateChanges[change][2];
  return (conclusions[change] as (answer: unknown) => Conclusion)(decode(codec, answer.subarray(1)));
}
