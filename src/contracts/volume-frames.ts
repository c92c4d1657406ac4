/**
 * A volume on its way: frames of an 8-byte header (two little-endian 32-bit words: the first block's number, the data's length
 * in bytes) and the data. Blocks that no frame names are zero, so that sparse volumes travel fast. A frame of length 0 ends the volume.
 */
export const BLOCK_BYTES = 4096;
export const FRAME_BYTES_MAX = 64 * BLOCK_BYTES;
export const FRAME_HEADER_BYTES = 8;

export interface FrameHeader {
  /** Where the data belongs, in bytes. */
  readonly offset: number;
  /** 0: the end. */
  readonly length: number;
}

/** `offset` is a multiple of the block size. */
export function encodeFrameHeader({ offset, length }: FrameHeader): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, offset / BLOCK_BYTES, true);
  view.setUint32(4, length, true);
  return bytes;
}

export const END_FRAME = encodeFrameHeader({ offset: 0, length: 0 });

/** A string names what is wrong with a frame of a volume that holds `volumeBytes`. */
export function decodeFrameHeader(bytes: Uint8Array, volumeBytes: number): FrameHeader | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  const offset = view.getUint32(0, true) * BLOCK_BYTES;
  const length = view.getUint32(4, true);
  if (length > FRAME_BYTES_MAX) return `a frame of ${length} bytes`;
  if (offset + length > volumeBytes) return `a frame that ends at byte ${offset + length} of ${volumeBytes}`;
  return { offset, length };
}

/** Whole words first: this runs over every block of a volume, in an interpreter. */
export function isZero(bytes: Uint8Array): boolean {
  const head = (4 - (bytes.byteOffset % 4)) % 4;
  const wordCount = Math.max(0, Math.floor((bytes.length - head) / 4));
  const tail = head + wordCount * 4;
  for (let at = 0; at < Math.min(head, bytes.length); at += 1) if (bytes[at] !== 0) return false;
  for (let at = tail; at < bytes.length; at += 1) if (bytes[at] !== 0) return false;
  const words = wordCount > 0 ? new Uint32Array(bytes.buffer, bytes.byteOffset + head, wordCount) : new Uint32Array(0);
  for (let at = 0; at < words.length; at += 1) if (words[at] !== 0) return false;
  return true;
}
