/**
 * One request after the other through Linux's xenbus device, waiting for each answer: no event loop and no promise stands between the
 * client and what it measures.
 */
import * as rt from 'ennead:rt';
import { XENBUS_DEVICE } from '../../src/kit/xenstore-client.ts';
import {
  decodeStrings,
  decodeText,
  encodePacket,
  encodeStrings,
  messageTypes,
  type Packet,
  PacketReader,
} from '../../src/wire/xenstore-message.ts';

const READ_BYTES = 4096;
/** For a server that starts after its clients, and for the slowest of many of these. */
const SILENCE_MS_MAX = 600_000;
const REQUEST_ID = 1;

/** The server's refusal, by its name: EAGAIN, ENOENT… */
export class Refusal extends Error {
  constructor(readonly code: string) {
    super(`refused: ${code}`);
  }
}

export function packetOf(
  type: keyof typeof messageTypes,
  strings: readonly string[],
  tail?: Uint8Array,
  transactionId = 0,
): Uint8Array {
  const payload = encodeStrings(strings, tail);
  return encodePacket({ type: messageTypes[type], requestId: REQUEST_ID, transactionId, payload });
}

export class Connection {
  private readonly device = rt.open(XENBUS_DEVICE, 'r+');
  private readonly reader = new PacketReader();
  private readonly packets: Packet[] = [];
  /** Tokens of watches that have fired and that nobody has waited for yet. */
  private readonly fired: string[] = [];

  /** Sends the request and waits for its answer. @throws Refusal */
  exchange(request: Uint8Array): Uint8Array {
    rt.write(this.device, request);
    for (;;) {
      const { type, payload } = this.next();
      if (type === messageTypes.watchEvent) this.fired.push(tokenOf(payload));
      else if (type !== messageTypes.error) return payload;
      else throw new Refusal(decodeStrings(payload).strings[0] ?? '');
    }
  }

  /** null: there is no such node, or none that the client may see. */
  readIfThere(path: string): string | null {
    try {
      return decodeText(this.exchange(packetOf('read', [path])));
    } catch (error) {
      if (error instanceof Refusal && (error.code === 'ENOENT' || error.code === 'EACCES')) return null;
      throw error;
    }
  }

  /** Waits until the watch with this token has fired. An event of another one, which may come at any time, is kept for whoever waits for it. */
  awaitEvent(token: string): void {
    while (!this.fired.includes(token)) this.fired.push(tokenOf(this.next().payload));
    this.fired.splice(this.fired.indexOf(token), 1);
  }

  /** Nobody waits any more for events of this watch that have come; how many there were. */
  forget(token: string): number {
    const others = this.fired.filter((other) => other !== token);
    return this.fired.splice(0, this.fired.length, ...others).length - others.length;
  }

  private next(): Packet {
    for (;;) {
      const packet = this.packets.shift();
      if (packet) return packet;
      if (!rt.waitReadable(this.device, SILENCE_MS_MAX)) throw new Error('XenStore does not answer');
      const packets = this.reader.push(rt.read(this.device, READ_BYTES) ?? new Uint8Array(0));
      if (typeof packets === 'string') throw new Error(packets);
      this.packets.push(...packets);
    }
  }
}

const tokenOf = (payload: Uint8Array): string => decodeStrings(payload).strings[1] ?? '';
