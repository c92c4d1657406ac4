/**
 * A guest's console: two rings in one page that the guest has granted. This end takes output and puts input.
 *
 * The indices that are ours are kept here and only ever written to the page; those of the guest are read once each time and checked.
 * @source xen/include/public/io/console.h, struct xencons_interface
 */
import type { SharedRegion } from '../../xen/ports.ts';

const IN_OFFSET = 0;
export const IN_BYTES = 1024;
const OUT_OFFSET = 1024;
export const OUT_BYTES = 2048;
const IN_CONS = 3072;
const IN_PROD = 3076;
const OUT_CONS = 3080;
const OUT_PROD = 3084;

/** How far `producer` is ahead, as the free-running 32-bit counters that both are. */
const ahead = (producer: number, consumer: number): number => (producer - consumer) >>> 0;

export class ConsoleRing {
  private inProducer: number;
  private outConsumer: number;

  /** Takes the ring over where an earlier server has left it. */
  constructor(private readonly page: SharedRegion) {
    this.inProducer = page.load32(IN_PROD);
    this.outConsumer = page.load32(OUT_CONS);
  }

  /** Everything that the guest has written; null: its indices make no sense. */
  takeOutput(): Uint8Array | null {
    const length = ahead(this.page.load32(OUT_PROD), this.outConsumer);
    if (length > OUT_BYTES) return null;
    const bytes = new Uint8Array(length);
    const start = this.outConsumer % OUT_BYTES;
    const first = Math.min(length, OUT_BYTES - start);
    bytes.set(this.page.read(OUT_OFFSET + start, first), 0);
    if (first < length) bytes.set(this.page.read(OUT_OFFSET, length - first), first);
    this.outConsumer = (this.outConsumer + length) >>> 0;
    this.page.store32(OUT_CONS, this.outConsumer);
    return bytes;
  }

  /** How many of `bytes` found room; null: the guest's indices make no sense. */
  putInput(bytes: Uint8Array): number | null {
    const waiting = ahead(this.inProducer, this.page.load32(IN_CONS));
    if (waiting > IN_BYTES) return null;
    const length = Math.min(bytes.length, IN_BYTES - waiting);
    const start = this.inProducer % IN_BYTES;
    const first = Math.min(length, IN_BYTES - start);
    this.page.write(IN_OFFSET + start, bytes.subarray(0, first));
    if (first < length) this.page.write(IN_OFFSET, bytes.subarray(first, length));
    this.inProducer = (this.inProducer + length) >>> 0;
    this.page.store32(IN_PROD, this.inProducer);
    return length;
  }
}
