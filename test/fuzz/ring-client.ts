/** Clients that write their bytes in pieces of any size, and into their pages what they like. */
import { consumeRing, readRing, writeRing } from '../../src/kit/ring.ts';
import { ERROR_OFFSET } from '../../src/wire/byte-ring.ts';
import type { SharedRegion } from '../../src/xen/ports.ts';
import { Exchange } from './exchange.ts';
import type { Random } from './random.ts';

export interface RingEnd {
  readonly page: SharedRegion;
  notify(): void;
}

/** How many of the bytes found room. */
export function put({ page, notify }: RingEnd, bytes: Uint8Array): number {
  const written = writeRing(page, 'client', bytes) ?? 0;
  if (written > 0) notify();
  return written;
}

/** All that has come. */
export function take({ page, notify }: RingEnd): Uint8Array {
  const bytes = readRing(page, 'client') ?? new Uint8Array(0);
  if (consumeRing(page, 'client', bytes.length)) notify();
  return bytes;
}

export class RingClient {
  exchange = new Exchange();
  private outgoing: Buffer = Buffer.alloc(0);

  constructor(readonly end: RingEnd) {}

  send(bytes: Uint8Array): void {
    this.outgoing = Buffer.concat([this.outgoing, bytes]);
    this.exchange.sends(bytes);
  }

  /** Writes at most so many bytes; whether any found room. */
  feed(bytesMax: number): boolean {
    const written = put(this.end, this.outgoing.subarray(0, bytesMax));
    this.outgoing = this.outgoing.subarray(written);
    return written > 0;
  }

  /** Reads; whether there was anything. */
  hear(): boolean {
    const bytes = take(this.end);
    this.exchange.receives(bytes);
    return bytes.length > 0;
  }

  get unsentBytes(): number {
    return this.outgoing.length;
  }

  /** What the server says of the connection, 0 if nothing is wrong. */
  get error(): number {
    return this.end.page.load32(ERROR_OFFSET);
  }

  /** Its connection is made anew. */
  startAnew(): void {
    this.exchange = new Exchange();
    this.outgoing = Buffer.alloc(0);
    this.end.page.store32(ERROR_OFFSET, 0);
  }
}

const REQUEST_CONSUMER = 2048;
const REQUEST_PRODUCER = 2052;
const RESPONSE_CONSUMER = 2056;
const RESPONSE_PRODUCER = 2060;
const FEATURES = 2064;
const CONNECTION = 2068;
const indices = [REQUEST_CONSUMER, REQUEST_PRODUCER, RESPONSE_CONSUMER, RESPONSE_PRODUCER];

const misuses: readonly ((random: Random, page: SharedRegion) => void)[] = [
  (random, page) => page.store32(random.pick(indices), random.word()),
  (random, page) => {
    const index = random.pick(indices);
    page.store32(index, (page.load32(index) + random.below(2050) - 1025) >>> 0);
  },
  (random, page) => {
    for (const index of indices) page.store32(index, random.chance(0.5) ? random.word() : 0xffffffff - random.below(9));
  },
  (random, page) => page.write(random.below(2048), random.bytes(1 + random.below(64))),
  (random, page) => page.write(0, random.bytes(page.size)),
  (random, page) => page.store32(random.pick([FEATURES, CONNECTION, ERROR_OFFSET]), random.word()),
];

/** Writes into the page what no Linux would. */
export const misuse = (random: Random, page: SharedRegion): void => random.pick(misuses)(random, page);
