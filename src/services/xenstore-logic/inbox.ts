/** The next request in a client's ring. */
import { readAt } from '../../kit/ring.ts';
import { advance, inputOf, RING_BYTES, ringErrors, usedBytes } from '../../wire/byte-ring.ts';
import { concat, type Packet, parsePacket } from '../../wire/xenstore-message.ts';
import type { SharedRegion } from '../../xen/ports.ts';
import type { Client } from './client-table.ts';
import type { LogicPorts } from './ports.ts';
import type { StateClient } from './state-client.ts';

/**
 * `consumer`: the ring's consumer index behind the request; to be stored once it is answered. `taken`: a part of a request was taken out of
 * the ring, the client must be told.
 */
export type Received =
  | { readonly is: 'request'; readonly packet: Packet; readonly consumer: number }
  | { readonly is: 'none' }
  | { readonly is: 'taken' }
  | { readonly is: 'fault'; readonly error: number };

const NOTHING = new Uint8Array(0);
/** Linux makes an event for the first piece of a request and writes the others behind it: looking again is cheaper than keeping the piece. */
const LOOKS_MAX = 10;

const layout = inputOf('server');
const { consumer, producer } = layout;

/** How much a client has written that nobody has consumed, or that its indices are impossible. */
export const unreadBytes = (ring: SharedRegion): ReturnType<typeof usedBytes> =>
  usedBytes(ring.load32(consumer), ring.load32(producer));

/**
 * An incomplete request is taken out of the ring and kept in State, in two cases the only way on: when it is larger than the ring, and because
 * Linux makes no event for bytes that it adds to a ring with unread ones.
 */
export function receive(ports: LogicPorts, state: StateClient, client: Client): Received {
  const ring = ports.rings.at(client.ring);
  const before = client.partial ? partialOf(state, client, ring) : NOTHING;
  const from = ring.load32(consumer);
  for (let looks = 1; ; looks += 1) {
    const unread = usedBytes(from, ring.load32(producer));
    if (unread === 'bad-index') return { is: 'fault', error: ringErrors.index };
    // What was kept may only now have been taken out of the ring.
    if (unread === 0) return { is: client.partial ? 'taken' : 'none' };
    const bytes = readAt(ring, layout, from, unread);
    const whole = before.length > 0 ? concat(before, bytes) : bytes;
    const parsed = parsePacket(whole);
    if (parsed.is === 'fault') return { is: 'fault', error: ringErrors.protocol };
    if (parsed.is === 'packet')
      return { is: 'request', packet: parsed.packet, consumer: advance(from, parsed.consumed - before.length) };
    if (looks < LOOKS_MAX) continue;
    const until = advance(from, bytes.length);
    state.ask('keepPartial', { domid: client.domid, bytes: whole, until });
    client.partial = true;
    ring.store32(consumer, until);
    return { is: 'taken' };
  }
}

/** The request is answered: what was kept of it is not needed any more. */
export function forgetPartial(state: StateClient, client: Client): void {
  if (!client.partial) return;
  state.ask('keepPartial', { domid: client.domid, bytes: NOTHING, until: 0 });
  client.partial = false;
}

/** What State keeps, if the ring goes on behind it. It may still have to be taken out of the ring; or its request was answered long ago. */
function partialOf(state: StateClient, client: Client, ring: SharedRegion): Uint8Array {
  const { bytes, until } = state.ask('partial', { domid: client.domid });
  const notTaken = (until - ring.load32(consumer)) >>> 0;
  if (bytes.length === 0) client.partial = false;
  else if (notTaken > RING_BYTES) forgetPartial(state, client);
  else if (notTaken > 0) ring.store32(consumer, until);
  return client.partial ? bytes : NOTHING;
}
