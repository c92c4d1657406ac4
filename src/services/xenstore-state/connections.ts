/** The registry of connections, with the bytes that their rings had no room for. */
import { type LimitKind, limitKinds, UNSENT_BYTES_MAX } from '../../contracts/xenstore-limits.ts';
import { MESSAGE_BYTES } from '../../contracts/xenstore-quota.ts';
import type { StateRequest } from '../../contracts/xenstore-state.ts';
import { bytes, type Decoded, flag, list, nullable, struct, u16, u32, word } from '../../wire/binary.ts';
import { RING_BYTES } from '../../wire/byte-ring.ts';
import { concat } from '../../wire/xenstore-message.ts';
import type { Accounts } from './accounts.ts';
import type { Quota } from './quota.ts';

export const savedConnections = list(
  struct({
    domid: u16,
    port: u32,
    limits: word(limitKinds),
    target: nullable(u16),
    shutdown: flag,
    unsent: list(struct({ isReply: flag, message: bytes })),
    unsentAt: nullable(u32),
    partial: struct({ bytes, until: u32 }),
  }),
);

type Message = StateRequest<'queue'>['messages'][number];
type Partial = Omit<StateRequest<'keepPartial'>, 'domid'>;

interface Waiting {
  readonly isReply: boolean;
  readonly message: Uint8Array;
}

export interface Connection {
  readonly domid: number;
  /** The client's end of the event channel. */
  readonly port: number;
  readonly limits: LimitKind;
  target: number | null;
  shutdown: boolean;
  unsent: Waiting[];
  unsentBytes: number;
  /** The ring's producer index where the first unsent byte goes. null: nobody has asked for it. */
  unsentAt: number | null;
  partial: Partial;
  /** What its domain has to account for. */
  bytes: number;
}

const NOTHING = new Uint8Array(0);
export const NO_PARTIAL: Partial = { bytes: NOTHING, until: 0 };

export class Connections {
  private readonly byDomid = new Map<number, Connection>();

  constructor(
    private readonly accounts: Accounts,
    private readonly quota: Quota,
  ) {}

  all(): Connection[] {
    return [...this.byDomid.values()];
  }

  get(domid: number): Connection | undefined {
    return this.byDomid.get(domid);
  }

  add(domid: number, port: number, limits: LimitKind): void {
    const nothing = { unsent: [], unsentBytes: 0, unsentAt: null, partial: NO_PARTIAL, bytes: 0 };
    this.keep({ domid, port, limits, target: null, shutdown: false, ...nothing });
  }

  private keep(connection: Connection): void {
    this.byDomid.set(connection.domid, connection);
    if (connection.limits === 'guest') this.accounts.connectedGuests += 1;
    this.account(connection);
  }

  private account(connection: Connection): void {
    const { domid, unsent, unsentBytes, partial } = connection;
    const bytes = unsentBytes + MESSAGE_BYTES * unsent.length + partial.bytes.length;
    this.accounts.add(domid, bytes - connection.bytes);
    connection.bytes = bytes;
  }

  /** Requests whose answer waits: one at most, as no further one is taken meanwhile. */
  outstandingOf(domid: number): number {
    return this.byDomid.get(domid)?.unsent.filter(({ isReply }) => isReply).length ?? 0;
  }

  unsentBytesOf(domid: number): number {
    return this.byDomid.get(domid)?.unsentBytes ?? 0;
  }

  /** Nothing is on its way to the domain or from it. */
  empty(domid: number): void {
    const connection = this.byDomid.get(domid);
    if (!connection) return;
    Object.assign(connection, { unsent: [], unsentBytes: 0, unsentAt: null, partial: NO_PARTIAL });
    this.account(connection);
  }

  /** Nobody keeps a domain as its target that is gone. Whose connections that changes, its own included. */
  remove(domid: number): number[] {
    const others = this.all().filter(({ target }) => target === domid);
    for (const connection of others) connection.target = null;
    const own = this.byDomid.get(domid);
    if (!own) return others.map((other) => other.domid);
    this.empty(domid);
    if (own.limits === 'guest') this.accounts.connectedGuests -= 1;
    this.byDomid.delete(domid);
    return [...others.map((other) => other.domid), domid];
  }

  /** false: there is no such connection. */
  shutDown(domid: number, shutdown: boolean): boolean {
    const connection = this.byDomid.get(domid);
    if (connection) connection.shutdown = shutdown;
    return connection !== undefined;
  }

  /** false: the connection is over its bound, or not there. */
  queue({ domid, kind, message }: Message): boolean {
    const connection = this.byDomid.get(domid);
    if (!connection) return false;
    const isReply = kind === 'reply';
    if (!isReply) {
      // The first may be half sent; a repetition of any other tells the client nothing new.
      if (connection.unsent.slice(1).some((waiting) => equal(waiting.message, message))) return true;
      if (connection.unsentBytes + message.length > UNSENT_BYTES_MAX) return false;
      if (!this.quota.allows(connection.limits, domid, domid, message.length + MESSAGE_BYTES)) return false;
    }
    connection.unsent.push({ isReply, message });
    connection.unsentBytes += message.length;
    this.account(connection);
    return true;
  }

  /** What lies between the ring's producer index now and then was sent. Answers with the next bytes, at most a ring full. */
  unsent(domid: number, producer: number): Uint8Array {
    const connection = this.byDomid.get(domid);
    if (!connection) return NOTHING;
    const sent = connection.unsentAt === null ? 0 : (producer - connection.unsentAt) >>> 0;
    // An index that nobody can have reached is the client's own doing: it gets the same bytes again.
    if (sent <= Math.min(RING_BYTES, connection.unsentBytes)) dropFirst(connection, sent);
    this.account(connection);
    const next = front(connection.unsent, RING_BYTES);
    connection.unsentAt = next.length > 0 ? producer : null;
    return next;
  }

  save(): Decoded<typeof savedConnections> {
    return this.all();
  }

  load(saved: Decoded<typeof savedConnections>): void {
    for (const connection of saved) {
      const unsentBytes = connection.unsent.reduce((sum, { message }) => sum + message.length, 0);
      this.keep({ ...connection, unsent: [...connection.unsent], unsentBytes, bytes: 0 });
    }
  }

  keepPartial(domid: number, partial: Partial): void {
    const connection = this.byDomid.get(domid);
    if (!connection) return;
    connection.partial = partial;
    this.account(connection);
  }
}

function dropFirst(connection: Connection, bytes: number): void {
  let left = bytes;
  for (let first = connection.unsent[0]; first && left > 0; first = connection.unsent[0]) {
    const { length } = first.message;
    const taken = Math.min(left, length);
    left -= taken;
    connection.unsentBytes -= taken;
    if (taken < length) connection.unsent[0] = { ...first, message: first.message.subarray(taken) };
    else connection.unsent.shift();
  }
}

function front(waiting: readonly Waiting[], bytesMax: number): Uint8Array {
  let joined: Uint8Array = NOTHING;
  for (const { message } of waiting) {
    if (joined.length === bytesMax) break;
    joined = concat(joined, message.subarray(0, bytesMax - joined.length));
  }
  return joined;
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
