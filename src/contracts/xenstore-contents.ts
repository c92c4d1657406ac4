/**
 * What XenStore-State shows XenStore-Logic: pages that Logic maps for reading only, so that a look at a node takes no crossing between the
 * two. A hash table of chained records; a record's key is a node's path, or `connectionKey`. State changes them only while Logic waits for
 * an answer, so Logic never sees half a change. What found no room is counted in MISSING: while that is not 0, Logic asks State for what it
 * does not find.
 */
import { bytes, counter, type Decoded, nullable, struct, text, u16, u32 } from '../wire/binary.ts';
import { permissions } from './xenstore-state.ts';

/** Room for about 3000 nodes. */
export const CONTENTS_PAGES = 128;

export const MISSING_OFFSET = 0;
/** One word each: where the bucket's first record is, 0 for none. */
const BUCKETS_OFFSET = 4;
const BUCKETS = 1023;
export const RECORDS_OFFSET = BUCKETS_OFFSET + 4 * BUCKETS;

/** Words of a record before its body: the bucket's next record, the key's hash, the body's length in bytes. */
export const NEXT = 0;
export const HASH = 4;
export const LENGTH = 8;
export const BODY = 12;

/** A record's body begins with its key. */
export const recordKey = text;
/** `children`: names, each followed by a NUL. */
export const nodeRecord = struct({ key: recordKey, permissions, generation: counter, value: bytes, children: bytes });
export type NodeRecord = Decoded<typeof nodeRecord>;
/** `nodes`: how many the domain owns; `memory`: bytes of all that it has in the store. */
export const connectionRecord = struct({ key: recordKey, target: nullable(u16), nodes: u32, memory: u32 });

export const connectionKey = (domid: number): string => `#${domid}`;

/** What tells paths apart: the domid after `/local/domain/`, and their end. To look at more would cost more than a longer chain. */
const DOMID_AT = 14;
const DOMID_END = 19;
const TAIL = 14;

export function hashOf(key: string): number {
  return (
    hashRange(key, Math.max(0, key.length - TAIL), key.length, hashRange(key, DOMID_AT, DOMID_END, key.length)) >>> 0
  );
}

function hashRange(key: string, from: number, to: number, start: number): number {
  let hash = start;
  for (let at = from; at < to && at < key.length; at += 1) hash = Math.imul(hash, 31) + key.charCodeAt(at);
  return hash;
}

export const bucketOffset = (hash: number): number => BUCKETS_OFFSET + 4 * (hash % BUCKETS);
