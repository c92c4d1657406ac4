/**
 * XenStore's messages: a header of four little-endian u32 and a payload of at most 4096 bytes.
 * @source xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt
 */

export const messageTypes = {
  control: 0,
  directory: 1,
  read: 2,
  getPerms: 3,
  watch: 4,
  unwatch: 5,
  transactionStart: 6,
  transactionEnd: 7,
  introduce: 8,
  release: 9,
  getDomainPath: 10,
  write: 11,
  mkdir: 12,
  rm: 13,
  setPerms: 14,
  watchEvent: 15,
  error: 16,
  isDomainIntroduced: 17,
  resume: 18,
  setTarget: 19,
  resetWatches: 21,
  directoryPart: 22,
} as const;

export const HEADER_BYTES = 16;
export const PAYLOAD_BYTES_MAX = 4096;
export const ABSOLUTE_PATH_BYTES_MAX = 3072;
export const RELATIVE_PATH_BYTES_MAX = 2048;

/** The errors that the protocol can name (xsd_errors). */
export const errorNames = [
  'EINVAL',
  'EACCES',
  'EEXIST',
  'EISDIR',
  'ENOENT',
  'ENOMEM',
  'ENOSPC',
  'EIO',
  'ENOTEMPTY',
  'ENOSYS',
  'EROFS',
  'EBUSY',
  'EAGAIN',
  'EISCONN',
  'E2BIG',
  'EPERM',
] as const;
export type ErrorName = (typeof errorNames)[number];

export interface Packet {
  readonly type: number;
  readonly requestId: number;
  /** 0: none. */
  readonly transactionId: number;
  readonly payload: Uint8Array;
}

/** What a parser has after the bytes it was given. */
export type Parsed =
  | { readonly is: 'need'; readonly bytes: number }
  | { readonly is: 'packet'; readonly packet: Packet; readonly consumed: number }
  | { readonly is: 'fault'; readonly why: 'payload-too-long' };

export function encodePacket({ type, requestId, transactionId, payload }: Packet): Uint8Array {
  if (payload.length > PAYLOAD_BYTES_MAX) throw new RangeError(`a payload of ${payload.length} bytes`);
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, requestId, true);
  view.setUint32(8, transactionId, true);
  view.setUint32(12, payload.length, true);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** The first packet of `bytes`, or how many bytes more it needs at least. */
export function parsePacket(bytes: Uint8Array): Parsed {
  if (bytes.length < HEADER_BYTES) return { is: 'need', bytes: HEADER_BYTES - bytes.length };
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const length = view.getUint32(12, true);
  if (length > PAYLOAD_BYTES_MAX) return { is: 'fault', why: 'payload-too-long' };
  const whole = HEADER_BYTES + length;
  if (bytes.length < whole) return { is: 'need', bytes: whole - bytes.length };
  const packet = {
    type: view.getUint32(0, true),
    requestId: view.getUint32(4, true),
    transactionId: view.getUint32(8, true),
    payload: bytes.slice(HEADER_BYTES, whole),
  };
  return { is: 'packet', packet, consumed: whole };
}

/** Collects a stream's chunks into packets. After a fault it stays faulty. */
export class PacketReader {
  private kept: Uint8Array = new Uint8Array(0);
  private fault: 'payload-too-long' | null = null;

  push(chunk: Uint8Array): Packet[] | 'payload-too-long' {
    const packets: Packet[] = [];
    let bytes = concat(this.kept, chunk);
    while (!this.fault) {
      const parsed = parsePacket(bytes);
      if (parsed.is === 'need') break;
      if (parsed.is === 'packet') {
        packets.push(parsed.packet);
        bytes = bytes.subarray(parsed.consumed);
      } else this.fault = parsed.why;
    }
    this.kept = bytes.slice();
    return this.fault ?? packets;
  }
}

export function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes of paths, tokens and domids. XenStore's values are bytes; the protocol's own strings are ASCII. */
export const encodeText = (text: string): Uint8Array => encoder.encode(text);
export const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes);

/** Bytes that need be no text, as a string of one character for each: watch tokens. */
export const decodeBinary = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
export const encodeBinary = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Each string followed by a NUL, then `tail` as it is (the value of a WRITE has no NUL). */
export function encodeStrings(strings: readonly string[], tail: Uint8Array = new Uint8Array(0)): Uint8Array {
  return concat(encoder.encode(strings.map((text) => `${text}\0`).join('')), tail);
}

/** The strings that end in a NUL, and the bytes after the last one. */
export function decodeStrings(
  payload: Uint8Array,
  countMax = Number.POSITIVE_INFINITY,
): { strings: string[]; tail: Uint8Array } {
  const strings: string[] = [];
  let start = 0;
  while (strings.length < countMax) {
    const end = payload.indexOf(0, start);
    if (end < 0) break;
    strings.push(decodeText(payload.subarray(start, end)));
    start = end + 1;
  }
  return { strings, tail: payload.slice(start) };
}
