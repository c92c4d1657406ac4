/** State's side of the pages that Logic reads (src/contracts/xenstore-contents.ts): puts records in, takes them out. */
import {
  BODY,
  bucketOffset,
  HASH,
  hashOf,
  LENGTH,
  MISSING_OFFSET,
  NEXT,
  RECORDS_OFFSET,
} from '../../contracts/xenstore-contents.ts';
import type { SharedRegion } from '../../xen/ports.ts';

/** Records take 64 bytes, or 128, and so on up to 8 KiB; larger ones are left to State. */
const SMALLEST_LOG2 = 6;
const SIZES = 8;
export const RECORD_BYTES_MAX = 2 ** (SMALLEST_LOG2 + SIZES - 1);

interface Place {
  readonly offset: number;
  readonly size: number;
}

export class Contents {
  private readonly places = new Map<string, Place>();
  private readonly missing = new Set<string>();
  /** By size: where records were. */
  private readonly free: number[][] = Array.from({ length: SIZES }, () => []);
  private end = RECORDS_OFFSET;

  constructor(private readonly region: SharedRegion) {}

  /** null: there is nothing under the key any more. */
  show(key: string, body: Uint8Array | null): void {
    const size = body ? sizeFor(body) : null;
    const place = this.places.get(key);
    if (place && place.size !== size) this.takeOut(key, place);
    const at = size === null ? undefined : (this.places.get(key) ?? this.putIn(key, size));
    if (body && at) this.fill(at, body);
    this.count(key, body !== null && !at);
  }

  private fill({ offset }: Place, body: Uint8Array): void {
    this.region.store32(offset + LENGTH, body.length);
    this.region.write(offset + BODY, body);
  }

  private putIn(key: string, size: number): Place | undefined {
    const offset = this.free[size]!.pop() ?? this.extend(size);
    if (offset === undefined) return undefined;
    const hash = hashOf(key);
    const bucket = bucketOffset(hash);
    this.region.store32(offset + HASH, hash);
    this.region.store32(offset + NEXT, this.region.load32(bucket));
    this.region.store32(bucket, offset);
    const place = { offset, size };
    this.places.set(key, place);
    return place;
  }

  private extend(size: number): number | undefined {
    const offset = this.end;
    if (offset + 2 ** (SMALLEST_LOG2 + size) > this.region.size) return undefined;
    this.end += 2 ** (SMALLEST_LOG2 + size);
    return offset;
  }

  private takeOut(key: string, { offset, size }: Place): void {
    let link = bucketOffset(hashOf(key));
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

/** null: too large for any. */
function sizeFor(body: Uint8Array): number | null {
  const size = Math.max(0, Math.ceil(Math.log2(BODY + body.length)) - SMALLEST_LOG2);
  return size < SIZES ? size : null;
}
