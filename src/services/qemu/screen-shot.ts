/** The screen as a PNG. QEMU writes a plain picture (PPM) into a file that is made for it; what stands there is checked like all that QEMU says. */
import { SHOT_BYTES_MAX } from '../../contracts/device-model.ts';
import type { ByteStream, Clock, Files, Streams } from '../../xen/ports.ts';
import { PngWriter } from './png.ts';
import type { Qmp } from './qmp.ts';
import { emptyScreen, insideRoot, outside } from './root.ts';

const PIXEL_BYTES = 3;
const PIXELS_MAX = 2560 * 1600;
const HEADER_BYTES_MAX = 24;
const READ_BYTES = 64 * 1024;
/** Between two pieces of the work, others have their turn: a second's work under emulation is long for who types. */
const PIXELS_PER_TURN = 16 * 1024;

/** QEMU's file is no picture that this service would take. */
export class ScreenError extends Error {
  override readonly name = 'ScreenError';
}

export interface ShotPorts {
  readonly files: Files;
  readonly streams: Streams;
  readonly clock: Clock;
}

/** A PNG, of at most SHOT_BYTES_MAX bytes. */
export async function takeShot(ports: ShotPorts, qmp: Qmp): Promise<Uint8Array> {
  await qmp.execute('screendump', { filename: insideRoot.screen });
  const stream = ports.streams.open(outside(insideRoot.screen), 'r');
  try {
    return await convert(stream, ports.clock);
  } finally {
    stream.close();
    // It lies in memory.
    emptyScreen(ports.files);
  }
}

async function convert(stream: ByteStream, clock: Clock): Promise<Uint8Array> {
  const picture = new PictureReader(stream);
  const { width, height } = picture.header();
  const png = new PngWriter(width, height);
  const rowsPerTurn = Math.ceil(PIXELS_PER_TURN / width);
  for (let row = 0; row < height; row += 1) {
    png.row(picture.take(width * PIXEL_BYTES));
    if (row % rowsPerTurn === 0) await new Promise<void>((resolve) => clock.after(0, resolve));
  }
  return joined(png.end());
}

class PictureReader {
  private rest: Uint8Array = new Uint8Array(0);

  constructor(private readonly stream: ByteStream) {}

  header(): { width: number; height: number } {
    this.fill(HEADER_BYTES_MAX);
    const text = String.fromCharCode(...this.rest.subarray(0, HEADER_BYTES_MAX));
    const [all, width, height] = /^P6\n([1-9]\d{0,4}) ([1-9]\d{0,4})\n255\n/.exec(text) ?? [];
    if (!all || Number(width) * Number(height) > PIXELS_MAX) throw new ScreenError('QEMU wrote no picture of a screen');
    this.rest = this.rest.subarray(all.length);
    return { width: Number(width), height: Number(height) };
  }

  take(length: number): Uint8Array {
    this.fill(length);
    if (this.rest.length < length) throw new ScreenError("QEMU's picture ends too early");
    const bytes = this.rest.subarray(0, length);
    this.rest = this.rest.subarray(length);
    return bytes;
  }

  private fill(length: number): void {
    while (this.rest.length < length) {
      const more = this.stream.read(READ_BYTES);
      if (!more || more.length === 0) return;
      this.rest = joined([this.rest, more]);
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > SHOT_BYTES_MAX) throw new ScreenError(`the picture takes more than ${SHOT_BYTES_MAX} bytes`);
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
