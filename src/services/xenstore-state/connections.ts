/** The registry of connections, with the bytes that their rings had no room for. */
import { PARTIAL_BYTES_MAX, UNSENT_BYTES_MAX } from '../../contracts/xenstore-state.ts';
import { RING_BYTES } from '../../wire/byte-ring.ts';
import { concat } from '../../wire/xenstore-message.ts';

export interface Connection {
  readonly domid: number;
  /** The client's end of the event channel. */
  readonly port: number;
  target: number | null;
  unsent: Uint8Array[];
  unsentBytes: number;
  partial: Uint8Array;
}

const NOTHING = new Uint8Array(0);

export class Connections {
  private readonly byDomid = new Map<number, Connection>();

  all(): Connection[] {
    return [...this.byDomid.values()];
  }

  get(domid: number): Connection | undefined {
    return this.byDomid.get(domid);
  }

  add(domid: number, port: number): void {
    this.byDomid.set(domid, { domid, port, target: null, unsent: [], unsentBytes: 0, partial: NOTHING });
  }

  /** Nobody keeps a domain as its target that is gone. Whose connections that changes, its own included. */
  remove(domid: number): number[] {
    const others = this.all().filter(({ target }) => target === domid);
    for (const connection of others) connection.target = null;
    return [...others.map((other) => other.domid), ...(this.byDomid.delete(domid) ? [domid] : [])];
  }

  /** false: the connection is over its bound, or not there. */
  queue(domid: number, kind: 'event' | 'reply', message: Uint8Array): boolean {
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

  /** Drops what was sent; the next bytes, at most a ring full. */
  unsent(domid: number, sent: number): Uint8Array {
    const connection = this.byDomid.get(domid);
    if (!connection) return NOTHING;
    let left = sent;
    for (let first = connection.unsent[0]; first && left > 0; first = connection.unsent[0]) {
      const taken = Math.min(left, first.length);
      left -= taken;
      connection.unsentBytes -= taken;
      if (taken < first.length) connection.unsent[0] = first.subarray(taken);
      else connection.unsent.shift();
    }
    return front(connection.unsent, RING_BYTES);
  }

  /** null: more than any request has. */
  partial(domid: number, more: Uint8Array, last: boolean): Uint8Array | null {
    const connection = this.byDomid.get(domid);
    if (!connection) return null;
    const whole = concat(connection.partial, more);
    if (whole.length > PARTIAL_BYTES_MAX) return null;
    connection.partial = last ? NOTHING : whole;
    return whole;
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
