/**
 * A Linux kernel without the empty space in its ELF file: most of it is padding to whole large pages. What a domain builder needs stays, the
 * segments and the note that says how Xen starts it; runs of zeroes become memory that the builder clears. @source elf(5)
 */

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const LOAD = 1;
const NOTE = 4;
/** A shorter run of zeroes is kept: a segment of its own would cost more. */
const GAP_MIN = 4096;

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly physical: bigint;
  readonly bytes: Uint8Array;
  /** At least as many as there are bytes; the others are zero. */
  readonly memoryBytes: number;
  readonly alignment: bigint;
}

export class ElfError extends Error {
  override readonly name = 'ElfError';
}

/** Throws an ElfError for anything but a 64-bit little-endian ELF program. */
export function compactElf(file: Uint8Array): Uint8Array {
  return write(
    file,
    readSegments(file).flatMap((segment) => (segment.type === LOAD ? withoutGaps(segment) : [segment])),
  );
}

function readSegments(file: Uint8Array): Segment[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const isElf64 = file.length >= HEADER_BYTES && view.getUint32(0) === 0x7f454c46 && file[4] === 2 && file[5] === 1;
  if (!isElf64) throw new ElfError('not a 64-bit little-endian ELF file');
  const table = Number(view.getBigUint64(32, true));
  const count = view.getUint16(56, true);
  if (view.getUint16(54, true) !== PROGRAM_HEADER_BYTES || table + count * PROGRAM_HEADER_BYTES > file.length)
    throw new ElfError('no program headers');
  const segments = Array.from({ length: count }, (_, index) =>
    readSegment(file, view, table + index * PROGRAM_HEADER_BYTES),
  );
  return segments.filter(({ type }) => type === LOAD || type === NOTE);
}

function readSegment(file: Uint8Array, view: DataView, at: number): Segment {
  const word = (offset: number): number => Number(view.getBigUint64(at + offset, true));
  const [from, length, memoryBytes] = [word(8), word(32), word(40)];
  if (from + length > file.length) throw new ElfError('a segment beyond the end of the file');
  return {
    type: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    address: view.getBigUint64(at + 16, true),
    physical: view.getBigUint64(at + 24, true),
    bytes: file.subarray(from, from + length),
    memoryBytes,
    alignment: view.getBigUint64(at + 48, true),
  };
}

/** The same memory as segments whose bytes hold no long run of zeroes, each with the zeroes that follow it. */
function withoutGaps(segment: Segment): Segment[] {
  const { bytes, memoryBytes } = segment;
  const gaps = gapsIn(bytes);
  const starts = [0, ...gaps.map(({ end }) => end)];
  const ends = [...gaps.map(({ start }) => start), bytes.length];
  return starts.map((start, index) => ({
    ...segment,
    address: segment.address + BigInt(start),
    physical: segment.physical + BigInt(start),
    bytes: bytes.subarray(start, ends[index]),
    memoryBytes: (starts[index + 1] ?? memoryBytes) - start,
  }));
}

function gapsIn(bytes: Uint8Array): { start: number; end: number }[] {
  const gaps = [];
  for (let at = 0; at < bytes.length; at += 1) {
    const start = at;
    while (at < bytes.length && bytes[at] === 0) at += 1;
    if (at - start >= GAP_MIN) gaps.push({ start, end: at });
  }
  return gaps;
}

function write(original: Uint8Array, segments: readonly Segment[]): Uint8Array {
  const tableEnd = HEADER_BYTES + segments.length * PROGRAM_HEADER_BYTES;
  const file = new Uint8Array(segments.reduce((total, { bytes }) => total + bytes.length, tableEnd));
  const view = new DataView(file.buffer);
  file.set(original.subarray(0, HEADER_BYTES));
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setUint16(56, segments.length, true);
  // No sections.
  view.setBigUint64(40, 0n, true);
  view.setUint32(60, 0, true);
  let from = tableEnd;
  for (const [index, segment] of segments.entries()) {
    writeHeader(view, HEADER_BYTES + index * PROGRAM_HEADER_BYTES, segment, from);
    file.set(segment.bytes, from);
    from += segment.bytes.length;
  }
  return file;
}

function writeHeader(view: DataView, at: number, segment: Segment, from: number): void {
  view.setUint32(at, segment.type, true);
  view.setUint32(at + 4, segment.flags, true);
  view.setBigUint64(at + 8, BigInt(from), true);
  view.setBigUint64(at + 16, segment.address, true);
  view.setBigUint64(at + 24, segment.physical, true);
  view.setBigUint64(at + 32, BigInt(segment.bytes.length), true);
  view.setBigUint64(at + 40, BigInt(segment.memoryBytes), true);
  view.setBigUint64(at + 48, segment.alignment, true);
}
