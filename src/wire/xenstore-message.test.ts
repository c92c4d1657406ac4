import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeStrings,
  encodePacket,
  encodeStrings,
  messageTypes,
  PAYLOAD_BYTES_MAX,
  type Packet,
  PacketReader,
  parsePacket,
} from './xenstore-message.ts';

/** Bytes written out by hand, not by the code under test: hexadecimal, blanks for the reader. */
const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16));

const vectors: readonly { readonly name: string; readonly bytes: string; readonly packet: Packet }[] = [
  {
    name: 'READ domid',
    bytes: '02000000 01000000 00000000 06000000 646f6d696400',
    packet: { type: messageTypes.read, requestId: 1, transactionId: 0, payload: hex('646f6d696400') },
  },
  {
    name: 'WRITE in a transaction, a value without a NUL',
    bytes: '0b000000 ffffffff 39300000 04000000 61 00 31 32',
    packet: { type: messageTypes.write, requestId: 0xffffffff, transactionId: 12345, payload: hex('61003132') },
  },
  {
    name: 'an error',
    bytes: '10000000 07000000 00000000 07000000 454e4f454e5400',
    packet: { type: messageTypes.error, requestId: 7, transactionId: 0, payload: hex('454e4f454e5400') },
  },
  {
    name: 'RESET_WATCHES, whose number follows a gap',
    bytes: '15000000 02000000 00000000 00000000',
    packet: { type: messageTypes.resetWatches, requestId: 2, transactionId: 0, payload: new Uint8Array(0) },
  },
  {
    name: 'the last type, DIRECTORY_PART',
    bytes: '16000000 02000000 00000000 04000000 2f 00 30 00',
    packet: { type: messageTypes.directoryPart, requestId: 2, transactionId: 0, payload: hex('2f003000') },
  },
];

describe.each(vectors)('$name', ({ bytes, packet }) => {
  it('is encoded to the golden bytes', () => {
    expect(encodePacket(packet)).toEqual(hex(bytes));
  });

  it('is parsed whole, and split at every byte', () => {
    const whole = hex(bytes);
    expect(new PacketReader().push(whole)).toEqual([packet]);
    for (let at = 0; at <= whole.length; at += 1) {
      const reader = new PacketReader();
      const first = reader.push(whole.subarray(0, at));
      const second = reader.push(whole.subarray(at));
      expect([...first, ...second]).toEqual([packet]);
    }
  });

  it('is needed to its last byte', () => {
    const whole = hex(bytes);
    for (let length = 0; length < whole.length; length += 1) {
      const parsed = parsePacket(whole.subarray(0, length));
      expect(parsed.is).toBe('need');
      if (parsed.is === 'need') expect(length + parsed.bytes).toBeLessThanOrEqual(whole.length);
    }
  });
});

describe('PacketReader', () => {
  it('takes the longest payload and refuses the next longer one, for good', () => {
    const longest = { type: 2, requestId: 1, transactionId: 0, payload: new Uint8Array(PAYLOAD_BYTES_MAX) };
    expect(new PacketReader().push(encodePacket(longest))).toEqual([longest]);
    const reader = new PacketReader();
    expect(reader.push(hex('02000000 01000000 00000000 01100000'))).toBe('payload-too-long');
    expect(reader.push(hex('02000000 01000000 00000000 00000000'))).toBe('payload-too-long');
    expect(() => encodePacket({ ...longest, payload: new Uint8Array(PAYLOAD_BYTES_MAX + 1) })).toThrow(RangeError);
  });

  it('finds the same packets however the stream is cut', () => {
    const packet = fc.record({
      type: fc.nat(22),
      requestId: fc.nat(),
      transactionId: fc.nat(),
      payload: fc.uint8Array({ maxLength: 200 }),
    });
    fc.assert(
      fc.property(
        fc.array(packet, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (packets, cuts) => {
          const stream = Uint8Array.from(packets.flatMap((one) => [...encodePacket(one)]));
          const reader = new PacketReader();
          const found: Packet[] = [];
          for (let at = 0, cut = 0; at < stream.length; cut += 1) {
            const length = cuts[cut % cuts.length] as number;
            found.push(...(reader.push(stream.subarray(at, at + length)) as Packet[]));
            at += length;
          }
          expect(found).toEqual(packets);
        },
      ),
    );
  });
});

describe('strings', () => {
  it('end in a NUL each; what follows the last one is the tail', () => {
    expect(encodeStrings(['a', 'bc'], hex('00ff'))).toEqual(hex('61 00 6263 00 00ff'));
    expect(decodeStrings(hex('61 00 6263 00 ff'))).toEqual({ strings: ['a', 'bc'], tail: hex('ff') });
    expect(decodeStrings(hex(''))).toEqual({ strings: [], tail: hex('') });
    expect(decodeStrings(hex('00 00'))).toEqual({ strings: ['', ''], tail: hex('') });
  });

  it('are split off only so many as asked', () => {
    expect(decodeStrings(hex('61 00 62 00'), 1)).toEqual({ strings: ['a'], tail: hex('62 00') });
  });
});
