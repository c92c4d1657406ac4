/**
 * A picture as PNG, row by row. Screens have large areas of one colour: a row is written as runs of equal pixels, or as it is where that would be
 * longer. Better compression would cost more time than the bytes it spares.
 * @source RFC 2083 (PNG), RFC 1950 and 1951 (zlib, deflate)
 */
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PIXEL_BYTES = 3;
const NO_FILTER = Uint8Array.of(0);
/** A run costs about as much as so many bytes. */
const RUN_COST = 6;
const ADLER_MODULUS = 65_521;
const MATCH_MIN = 3;
const MATCH_MAX = 258;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

export class PngWriter {
  private readonly parts: Uint8Array[] = [Uint8Array.from(SIGNATURE)];
  private readonly bits = new BitWriter();
  private readonly sum = new Checksum();

  constructor(
    private readonly width: number,
    height: number,
  ) {
    const header = new Uint8Array(13);
    const view = new DataView(header.buffer);
    view.setUint32(0, width);
    view.setUint32(4, height);
    // Eight bits for each of red, green and blue; no interlacing.
    header.set([8, 2, 0, 0, 0], 8);
    this.chunk('IHDR', header);
    this.bits.bytes(Uint8Array.of(0x78, 0x01));
  }

  /** Red, green, blue of each pixel, from left to right. Every row begins with the number of its filter: 0, none. */
  row(pixels: Uint8Array): void {
    const runs = runsOf(pixels, (this.width * PIXEL_BYTES) / RUN_COST);
    this.sum.bytes(NO_FILTER);
    if (runs) {
      this.bits.runs(pixels, runs);
      this.sum.runs(pixels, runs);
    } else {
      const line = new Uint8Array(pixels.length + 1);
      line.set(pixels, 1);
      this.bits.stored(line);
      this.sum.bytes(pixels);
    }
    this.chunk('IDAT', this.bits.take());
  }

  /** The whole file, in parts. */
  end(): readonly Uint8Array[] {
    this.bits.stored(new Uint8Array(0), true);
    this.bits.bytes(this.sum.value());
    this.chunk('IDAT', this.bits.take());
    this.chunk('IEND', new Uint8Array(0));
    return this.parts;
  }

  private chunk(name: string, data: Uint8Array): void {
    const chunk = new Uint8Array(data.length + 12);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, data.length);
    for (let index = 0; index < 4; index += 1) chunk[4 + index] = name.charCodeAt(index);
    chunk.set(data, 8);
    view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
    this.parts.push(chunk);
  }
}

/** Adler-32 of what is compressed. */
class Checksum {
  private low = 1;
  private high = 0;

  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) {
      this.low += byte;
      this.high += this.low;
    }
    this.reduce();
  }

  /** The same at once for all pixels of a run: a screen has a hundred times as many pixels as runs. */
  runs(pixels: Uint8Array, runs: readonly number[]): void {
    let at = 0;
    for (const length of runs) {
      const [red, green, blue] = [pixels[at]!, pixels[at + 1]!, pixels[at + 2]!];
      const all = red + green + blue;
      this.high += PIXEL_BYTES * length * (this.low + (all * (length - 1)) / 2) + length * (3 * red + 2 * green + blue);
      this.low += length * all;
      at += length * PIXEL_BYTES;
    }
    this.reduce();
  }

  value(): Uint8Array {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, ((this.high << 16) | this.low) >>> 0);
    return bytes;
  }

  /** A row of 99,999 pixels makes less than 2^47 of it. */
  private reduce(): void {
    this.low %= ADLER_MODULUS;
    this.high %= ADLER_MODULUS;
  }
}

function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 0xff]! ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** How many pixels in a row have one colour, again and again; null: more than `runsMax`. */
function runsOf(pixels: Uint8Array, runsMax: number): number[] | null {
  const runs: number[] = [];
  let length = 1;
  for (let at = PIXEL_BYTES; at < pixels.length; at += PIXEL_BYTES) {
    if (pixels[at] === pixels[at - 3] && pixels[at + 1] === pixels[at - 2] && pixels[at + 2] === pixels[at - 1]) {
      length += 1;
      continue;
    }
    runs.push(length);
    if (runs.length > runsMax) return null;
    length = 1;
  }
  runs.push(length);
  return runs;
}

/** Deflate blocks: stored, or with the fixed Huffman codes. Bits are packed from the lowest, and codes come with their highest bit first. */
class BitWriter {
  private out: number[] = [];
  private held = 0;
  private heldBits = 0;

  /** What is complete; up to 7 bits stay. */
  take(): Uint8Array {
    const bytes = Uint8Array.from(this.out);
    this.out = [];
    return bytes;
  }

  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.out.push(byte);
  }

  stored(bytes: Uint8Array, last = false): void {
    // A block's length has 16 bits.
    const rest = bytes.subarray(0xffff);
    this.put(last && rest.length === 0 ? 1 : 0, 3);
    if (this.heldBits > 0) this.put(0, 8 - this.heldBits);
    const length = Math.min(bytes.length, 0xffff);
    this.out.push(length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff);
    this.bytes(bytes.subarray(0, length));
    if (rest.length > 0) this.stored(rest, last);
  }

  /** One row: a zero for its filter, and each run as one pixel and copies of what lies three bytes back. */
  runs(pixels: Uint8Array, runs: readonly number[]): void {
    this.put(0b010, 3);
    this.literal(0);
    let at = 0;
    for (const length of runs) {
      for (let index = 0; index < PIXEL_BYTES; index += 1) this.literal(pixels[at + index]!);
      this.copies((length - 1) * PIXEL_BYTES);
      at += length * PIXEL_BYTES;
    }
    this.code(0, 7);
  }

  /** Every count that comes is a multiple of three, so no rest is shorter than a match may be. */
  private copies(bytes: number): void {
    for (let rest = bytes; rest >= MATCH_MIN; ) {
      const length = Math.min(rest, MATCH_MAX);
      this.matchLength(length);
      // Distance 3.
      this.code(2, 5);
      rest -= length;
    }
  }

  private matchLength(length: number): void {
    const offset = length - MATCH_MIN;
    const longest = length === MATCH_MAX;
    const extra = longest ? 0 : Math.max(0, 29 - Math.clz32(offset));
    const symbol = longest ? 285 : 257 + (extra << 2) + (offset >> extra);
    if (symbol < 280) this.code(symbol - 256, 7);
    else this.code(0b11000000 + symbol - 280, 8);
    this.put(offset & ((1 << extra) - 1), extra);
  }

  private literal(byte: number): void {
    if (byte < 144) this.code(0x30 + byte, 8);
    else this.code(0x190 + byte - 144, 9);
  }

  private code(value: number, length: number): void {
    for (let bit = length - 1; bit >= 0; bit -= 1) this.put((value >> bit) & 1, 1);
  }

  private put(value: number, length: number): void {
    this.held |= value << this.heldBits;
    this.heldBits += length;
    while (this.heldBits >= 8) {
      this.out.push(this.held & 0xff);
      this.held >>>= 8;
      this.heldBits -= 8;
    }
  }
}
