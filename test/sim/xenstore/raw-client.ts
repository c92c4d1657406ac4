/** A client that knows no manners. */
import { decodeStrings, encodePacket, type Packet, PacketReader } from '../../../src/wire/xenstore-message.ts';
import type { LinuxRing } from './linux-ring.ts';

/** Sends packets as they are and collects what comes back. */
export function rawClient(ring: LinuxRing) {
  const reader = new PacketReader();
  const received: Packet[] = [];
  ring.onReadable(() => {
    const packets = reader.push(ring.read(4096) ?? new Uint8Array(0));
    if (typeof packets === 'string') throw new Error(packets);
    received.push(...packets);
  });
  let requestId = 0;
  const packet = (type: number, payload: Uint8Array, transactionId = 0): Uint8Array => {
    requestId += 1;
    return encodePacket({ type, requestId, transactionId, payload });
  };
  const text = ({ payload }: Packet): string => decodeStrings(payload).strings.join(' ');
  return { received, packet, send: (bytes: Uint8Array) => ring.write(bytes), texts: () => received.map(text) };
}

export type RawClient = ReturnType<typeof rawClient>;
