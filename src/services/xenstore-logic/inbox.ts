/** The next request in a client's ring. */
import { consumeRing, readRing } from '../../kit/ring.ts';
import { ringErrors } from '../../wire/byte-ring.ts';
import { concat, type Packet, parsePacket } from '../../wire/xenstore-message.ts';
import type { Client } from './client-table.ts';
import type { LogicPorts } from './ports.ts';
import type { StateClient } from './state-client.ts';

/**
 * `ringBytes`: how much of the ring is the request's; to be consumed once it is answered. `taken`: a part of a request was taken out of the
 * ring, the client must be told.
 */
export type Received =
  | { readonly is: 'request'; readonly packet: Packet; readonly ringBytes: number }
  | { readonly is: 'none' }
  | { readonly is: 'taken' }
  | { readonly is: 'fault'; readonly error: number };

const NOTHING = new Uint8Array(0);
/** Linux makes an event for the first piece of a request and writes the others behind it: looking again is cheaper than keeping the piece. */
const LOOKS_MAX = 10;

/**
 * An incomplete request is taken out of the ring and kept in State, in two cases the only way on: when it is larger than the ring, and because
 * Linux makes no event for bytes that it adds to a ring with unread ones.
 */
export function receive(ports: LogicPorts, state: StateClient, client: Client): Received {
  const ring = ports.rings.at(client.ring);
  let bytes = readRing(ring, 'server');
  if (bytes?.length === 0) return { is: 'none' };
  const { domid } = client;
  const before = client.partial ? state.ask('partial', { domid, more: NOTHING, last: true }).whole : NOTHING;
  client.partial = false;
  let parsed = parsePacket(concat(before, bytes ?? NOTHING));
  for (let looks = 1; bytes && parsed.is === 'need' && looks < LOOKS_MAX; looks += 1) {
    bytes = readRing(ring, 'server');
    parsed = parsePacket(concat(before, bytes ?? NOTHING));
  }
  if (!bytes) return { is: 'fault', error: ringErrors.index };
  if (parsed.is === 'fault') return { is: 'fault', error: ringErrors.protocol };
  if (parsed.is === 'packet')
    return { is: 'request', packet: parsed.packet, ringBytes: parsed.consumed - before.length };
  state.ask('partial', { domid, more: concat(before, bytes), last: false });
  client.partial = true;
  consumeRing(ring, 'server', bytes.length);
  return { is: 'taken' };
}
