/** The registry of connections, with the bytes that their rings had no room for. */
import { type StateRequest, UNSENT_BYTES_MAX } from '../../contracts/xenstore-state.ts';
import { bytes, type Decoded, flag, list, nullable, struct, u16, u32 } from '../../wire/binary.ts';
import { RING_BYTES } from '../../wire/byte-ring.ts';
import { concat } from '../../wire/xenstore-message.ts';

export const savedConnections = list(
  struct({
    domid: u16,
    port: u32,
    target: nullable(u16),
    shutdown: flag,
    unsent: list(bytes),
    unsentAt: nullable(u32),
    partial: struct({ bytes, until: u32 }),
  }),
);

type Message = StateRequest<'queue'>['messages'][number];
type Partial = Omit<StateRequest<'keepPartial'>, 'domid'>;

export interface Connection {
  readonly domid: number;
  /** The client's end of the event channel. */
  readonly port: number;
  target: number | null;
  shutdown: boolean;
  unsent: Uint8Array[];
  unsentBytes: number;
  /** The ring's producer index where the first unsent byte goes. null: nobody has asked for it. */
  unsentAt: number | null;
  partial: Partial;
}

const NOTHING = new Uint8Array(0);
export const NO_PARTIAL: Partial = { bytes: NOTHING, until: 0 };

export class Connections {
  private readonly byDomid = new Map<number, Connection>();

  all(): Connection[] {
    return [...this.byDomid.values()];
  }

  get(domid: number): Connection | undefined {
    return this.byDomid.get(domid);
  }

  add(domid: number, port: number): void {
    const nothingUnsent = { unsent: [], unsentBytes: 0, unsentAt: null };
    this.byDomid.set(domid, { domid, port, target: null, shutdown: false, ...nothingUnsent, partial: NO_PARTIAL });
  }

  /** Nothing is on its way to the domain or from it. */
  empty(domid: number): void {
    const connection = this.byDomid.get(domid);
    if (connection) Object.assign(connection, { unsent: [], unsentBytes: 0, unsentAt: null, partial: NO_PARTIAL });
  }

  /** Nobody keeps a domain as its target that is gone. Whose connections that changes, its own included. */
  remove(domid: number): number[] {
    const others = this.all().filter(({ target }) => target === domid);
    for (const connection of others) connection.target = null;
    return [...others.map((other) => other.domid), ...(this.byDomid.delete(domid) ? [domid] : [])];
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
    if (kind === 'event') {
      // The first may be half sent; a repetition of any other tells the client nothing new.
      if (connection.unsent.slice(1).some((waiting) => equal(waiting, message))) return true;
      if (connection.unsentBytes + message.length > UNSENT_BYTES_MAX) return false;
    }
    connection.unsent.push(message);
    connection.unsentBytes += message.length;
    return true;
  }

  /** What lies between the ring's producer index now and then was sent. Answers with the next bytes, at most a ring full. */
  unsent(domid: number, producer: number): Uint8Array {
    const connection = this.byDomid.get(domid);
    if (!connection) return NOTHING;
    const sent = connection.unsentAt === null ? 0 : (producer - connection.unsentAt) >>> 0;
    // An index that nobody can have reached is the client's own doing: it gets the same bytes again.
    if (sent <= Math.min(RING_BYTES, connection.unsentBytes)) dropFirst(connection, sent);
    const next = front(connection.unsent, RING_BYTES);
    connection.unsentAt = next.length > 0 ? producer : null;
    return next;
  }

  save(): Decoded<typeof savedConnections> {
    return this.all();
  }

  load(saved: Decoded<typeof savedConnections>): void {
    for (const connection of saved) {
      const unsentBytes = connection.unsent.reduce((sum, { length }) => sum + length, 0);
      this.byDomid.set(connection.domid, { ...connection, unsent: [...connection.unsent], unsentBytes });
    }
  }

  keepPartial(domid: number, partial: Partial): void {
    const connection = this.byDomid.get(domid);
    if (connection) connection.partial = partial;
  }
}

function dropFirst(connection: Connection, bytes: number): void {
  let left = bytes;
  for (let first = connection.unsent[0]; first && left > 0; first = connection.unsent[0]) {
    const taken = Math.min(left, first.length);
    left -= taken;
    connection.unsentBytes -= taken;
    if (taken < first.length) connection.unsent[0] = first.subarray(taken);
    else connection.unsent.shift();
  }
}

function front(parts: readonly Uint8Array[], bytesMax: number): Uint8Array {
  let joined: Uint8Array = NOTHING;
  for (const part of parts) {
    if (joined.length === bytesMax) break;
    joined = concat(joined, part.subarray(0, bytesMax - joined.length));
  }
  return joined;
}

const equal = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
