/** State's side of the pages that Logic reads (src/contracts/xenstore-contents.ts): puts records in, takes them out. */
import {
  BODY,
  bucketOffset,
  bucketsIn,
  encodeBody,
  GLANCE_BYTES,
  HASH,
  hashOf,
  LIMITS_OFFSET,
  MISSING_OFFSET,
  NEXT,
  type RecordBody,
  recordsOffset,
} from '../../contracts/xenstore-contents.ts';
import { type Limits, shownLimits } from '../../contracts/xenstore-limits.ts';
import { encodeText } from '../../wire/xenstore-message.ts';
import type { SharedRegion } from '../../xen/ports.ts';

/** Records take 64 bytes, or 128, and so on up to 8 KiB; larger ones are left to State. */
const SMALLEST_LOG2 = 6;
const SIZES = 8;
export const RECORD_BYTES_MAX = 2 ** (SMALLEST_LOG2 + SIZES - 1);

interface Place {
  readonly offset: number;
  readonly size: number;
  readonly hash: number;
}

export class Contents {
  private readonly places = new Map<string, Place>();
  private readonly missing = new Set<string>();
  /** By size: where records were. */
  private readonly free: number[][] = Array.from({ length: SIZES }, () => []);
  private readonly buckets: number;
  private end: number;
  private readonly endMax: number;

  constructor(private readonly region: SharedRegion) {
    this.buckets = bucketsIn(region);
    this.end = recordsOffset(region);
    this.endMax = region.size - GLANCE_BYTES;
  }

  showLimits(values: Limits): void {
    for (const [at, name] of shownLimits.entries()) this.region.store32(LIMITS_OFFSET + 4 * at, values[name]);
  }

  /** null: there is nothing under the key any more. */
  show(key: string, record: RecordBody | null): void {
    const keyBytes = encodeText(key);
    const body = record && encodeBody(keyBytes, record);
    const place = this.placeFor(key, keyBytes, body);
    if (body && place) this.region.write(place.offset + BODY, body);
    this.count(key, body !== null && !place);
  }

  private placeFor(key: string, keyBytes: Uint8Array, body: Uint8Array | null): Place | undefined {
    const size = body && sizeFor(body);
    const old = this.places.get(key);
    if (old && old.size === size) return old;
    if (old) this.takeOut(key, old);
    return size === null ? undefined : this.putIn(key, hashOf(keyBytes), size);
  }

  private putIn(key: string, hash: number, size: number): Place | undefined {
    const offset = this.free[size]?.pop() ?? this.extend(size);
    if (offset === undefined) return undefined;
    const bucket = bucketOffset(this.buckets, hash);
    this.region.store32(offset + HASH, hash);
    this.region.store32(offset + NEXT, this.region.load32(bucket));
    this.region.store32(bucket, offset);
    const place = { offset, size, hash };
    this.places.set(key, place);
    return place;
  }

  /** undefined: there is no room. */
  private extend(size: number): number | undefined {
    const offset = this.end;
    const end = offset + 2 ** (SMALLEST_LOG2 + size);
    if (size >= SIZES || end > this.endMax) return undefined;
    this.end = end;
    return offset;
  }

  private takeOut(key: string, { offset, size, hash }: Place): void {
    let link = bucketOffset(this.buckets, hash);
    for (let at = this.region.load32(link); at !== offset; at = this.region.load32(link)) link = at + NEXT;
    this.region.store32(link, this.region.load32(offset + NEXT));
    this.places.delete(key);
    this.free[size]!.push(offset);
  }

  private count(key: string, isMissing: boolean): void {
    if (isMissing === this.missing.has(key)) return;
    if (isMissing) this.missing.add(key);
    else this.missing.delete(key);
    this.region.store32(MISSING_OFFSET, this.missing.size);
  }
}

/** From SIZES on: too large for any. */
const sizeFor = (body: Uint8Array): number => Math.max(0, Math.ceil(Math.log2(BODY + body.length)) - SMALLEST_LOG2);
