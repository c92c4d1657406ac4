/** Moves bytes between a program and the rings of a shared page. The peer's indices are checked; what is read is a copy. */
import {
  advance,
  inputOf,
  outputOf,
  RING_BYTES,
  type RingLayout,
  type RingRole,
  toRingEnd,
  usedBytes,
} from '../wire/byte-ring.ts';
import { concat } from '../wire/xenstore-message.ts';
import type { SharedRegion } from '../xen/ports.ts';

const NOTHING = new Uint8Array(0);

/** What waits to be read. null: the peer's indices are impossible. */
export function readRing(region: SharedRegion, role: RingRole, bytesMax = RING_BYTES): Uint8Array | null {
  const layout = inputOf(role);
  const consumer = region.load32(layout.consumer);
  const used = usedBytes(consumer, region.load32(layout.producer));
  return typeof used === 'string' ? null : readAt(region, layout, consumer, Math.min(used, bytesMax));
}

/** Bytes from an index on. */
export function readAt(region: SharedRegion, { data }: RingLayout, index: number, length: number): Uint8Array {
  if (length === 0) return NOTHING;
  const first = Math.min(length, toRingEnd(index));
  const bytes = region.read(data + (index % RING_BYTES), first);
  return first === length ? bytes : concat(bytes, region.read(data, length - first));
}

/**
 * Gives the space of bytes that were read back to the peer. true: the ring was full, so the peer may wait for an event. The producer index is
 * loaded again for that, after the store: a peer that fills the ring meanwhile sees either the new space or a ring that this side saw full.
 */
export function consumeRing(region: SharedRegion, role: RingRole, length: number): boolean {
  if (length === 0) return false;
  const { consumer, producer } = inputOf(role);
  const before = region.load32(consumer);
  region.store32(consumer, advance(before, length));
  return (region.load32(producer) - before) >>> 0 >= RING_BYTES;
}

/** How many of `bytes` fitted. null: the peer's indices are impossible. */
export function writeRing(region: SharedRegion, role: RingRole, bytes: Uint8Array): number | null {
  const layout = outputOf(role);
  const producer = region.load32(layout.producer);
  const used = usedBytes(region.load32(layout.consumer), producer);
  if (typeof used === 'string') return null;
  const fitting = bytes.subarray(0, RING_BYTES - used);
  if (fitting.length > 0) region.store32(layout.producer, placeAt(region, layout, producer, fitting));
  return fitting.length;
}

/** Puts bytes, for which there is room, where the peer does not look yet. The index behind them. */
export function placeAt(region: SharedRegion, { data }: RingLayout, index: number, bytes: Uint8Array): number {
  const first = toRingEnd(index);
  region.write(data + (index % RING_BYTES), bytes.length > first ? bytes.subarray(0, first) : bytes);
  if (bytes.length > first) region.write(data, bytes.subarray(first));
  return advance(index, bytes.length);
}

/** Empties both rings: for the side that starts the conversation anew. */
export function resetRings(region: SharedRegion): void {
  for (const { consumer, producer } of [inputOf('server'), outputOf('server')]) {
    region.store32(consumer, 0);
    region.store32(producer, 0);
  }
}
