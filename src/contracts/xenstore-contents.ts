/**
 * What XenStore-State shows XenStore-Logic: pages that Logic maps for reading only, so that a look at a node takes no crossing between the
 * two. A hash table of chained records; a record's key is a node's path, or `connectionKey`. State changes them only while Logic waits for
 * an answer, so Logic never sees half a change. What found no room is counted in MISSING: while that is not 0, Logic asks State for what it
 * does not find. Records are not messages of codecs: every request looks at one or two, and takes what it needs from where it is.
 */
import { nullable, struct, u16 } from '../wire/binary.ts';
import { decodeText } from '../wire/xenstore-message.ts';
import type { SharedRegion } from '../xen/ports.ts';
import { shownLimits } from './xenstore-limits.ts';
import { accesses, type Permissions } from './xenstore-state.ts';

/** A sixteenth of State's memory: room for about 9000 small nodes in 24 MiB, which is more than the rest of its memory holds. */
export const contentsPages = (memoryMib: number): number => memoryMib * 16;

/**
 * The pages begin with a table, a 128th part of them. Its first word is MISSING, then there is one for each of `shownLimits`, each other one is a
 * bucket: where its first record is, 0 for none.
 */
export const MISSING_OFFSET = 0;
export const LIMITS_OFFSET = 4;
const BUCKETS_OFFSET = LIMITS_OFFSET + 4 * shownLimits.length;
const BYTES_PER_BUCKET = 512;
export const recordsOffset = (pages: SharedRegion): number => (4 * pages.size) / BYTES_PER_BUCKET;
/** From every record on so many bytes may be read, whatever its length: enough for most. */
export const GLANCE_BYTES = 256;

/** Words of a record: the bucket's next record, the key's hash, */
export const NEXT = 0;
export const HASH = 4;
/** then those of its body: how many bytes of its key, how many permissions, how many bytes of value and of children, the generation's two halves. */
export const BODY = 8;
const KEY_BYTES = 8;
const PERMISSIONS = 12;
const VALUE_BYTES = 16;
const CHILDREN_BYTES = 20;
const GENERATION = 24;
/** Then one word for each permission, the key, the value and the children's names, each followed by a NUL. */
const HEAD_BYTES = 32;

export interface RecordBody {
  readonly permissions: Permissions;
  readonly generation: number;
  readonly value: Uint8Array;
  readonly children: Uint8Array;
}

/** What a connection's record has as its value. */
export const connectionValue = struct({ target: nullable(u16) });

/** The domid is where `hashOf` looks. */
export const connectionKey = (domid: number): string => `#connection of ${domid}`;

/** The record from BODY on. */
export function encodeBody(key: Uint8Array, { permissions, generation, value, children }: RecordBody): Uint8Array {
  const keyAt = HEAD_BYTES - BODY + 4 * permissions.length;
  const valueAt = keyAt + key.length;
  const childrenAt = valueAt + value.length;
  const bytes = new Uint8Array(childrenAt + children.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(KEY_BYTES - BODY, key.length, true);
  view.setUint32(PERMISSIONS - BODY, permissions.length, true);
  view.setUint32(VALUE_BYTES - BODY, value.length, true);
  view.setUint32(CHILDREN_BYTES - BODY, children.length, true);
  view.setUint32(GENERATION - BODY, generation >>> 0, true);
  view.setUint32(GENERATION - BODY + 4, Math.floor(generation / 2 ** 32), true);
  for (let index = 0; index < permissions.length; index += 1) {
    const { domid, access } = permissions[index]!;
    view.setUint32(HEAD_BYTES - BODY + 4 * index, domid + 0x10000 * accesses.indexOf(access), true);
  }
  bytes.set(key, keyAt);
  if (value.length > 0) bytes.set(value, valueAt);
  if (children.length > 0) bytes.set(children, childrenAt);
  return bytes;
}

const NOTHING = new Uint8Array(0);

/** A record as its reader sees it: copies of its parts. What lies beyond the first glance is read when it is asked for. */
export class RecordView {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(
    private readonly pages: SharedRegion,
    private readonly at: number,
  ) {
    this.bytes = pages.read(at, GLANCE_BYTES);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset);
  }

  get next(): number {
    return this.view.getUint32(NEXT, true);
  }

  get hash(): number {
    return this.view.getUint32(HASH, true);
  }

  isOf(key: string): boolean {
    return decodeText(this.part(this.keyAt, this.view.getUint32(KEY_BYTES, true))) === key;
  }

  get permissions(): Permissions {
    const count = this.view.getUint32(PERMISSIONS, true);
    const words = this.part(HEAD_BYTES, 4 * count);
    const view = new DataView(words.buffer, words.byteOffset, words.length);
    const permissions = [];
    for (let index = 0; index < count; index += 1) {
      const word = view.getUint32(4 * index, true);
      permissions.push({ domid: word & 0xffff, access: accesses[word >>> 16] ?? 'none' });
    }
    return permissions;
  }

  get generation(): number {
    return this.view.getUint32(GENERATION + 4, true) * 2 ** 32 + this.view.getUint32(GENERATION, true);
  }

  get value(): Uint8Array {
    return this.part(this.valueAt, this.view.getUint32(VALUE_BYTES, true));
  }

  get childrenBytes(): number {
    return this.view.getUint32(CHILDREN_BYTES, true);
  }

  children(from: number, bytesMax: number): Uint8Array {
    const length = Math.min(this.childrenBytes - from, bytesMax);
    if (length <= 0) return NOTHING;
    return this.part(this.valueAt + this.view.getUint32(VALUE_BYTES, true) + from, length);
  }

  private get keyAt(): number {
    return HEAD_BYTES + 4 * this.view.getUint32(PERMISSIONS, true);
  }

  private get valueAt(): number {
    return this.keyAt + this.view.getUint32(KEY_BYTES, true);
  }

  private part(from: number, length: number): Uint8Array {
    const to = from + length;
    return to <= GLANCE_BYTES ? this.bytes.subarray(from, to) : this.pages.read(this.at + from, length);
  }
}

/** Most paths begin with twelve bytes that are the same: all behind them counts, word by word from the end. */
const HASHED_FROM = 9;

export function hashOf(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  let hash = key.length;
  for (let at = key.length - 4; at >= HASHED_FROM; at -= 4)
    hash = Math.imul(hash ^ view.getUint32(at, true), 0x9e3779b1);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** How many there are. Whoever looks things up keeps the number: a region has to ask for its size. */
export const bucketsIn = (pages: SharedRegion): number => pages.size / BYTES_PER_BUCKET - BUCKETS_OFFSET / 4;
export const bucketOffset = (buckets: number, hash: number): number => BUCKETS_OFFSET + 4 * (hash % buckets);
