/** Looks at nodes in the pages that State shows (src/contracts/xenstore-contents.ts), as State would answer. Pages that make no sense fail the handler. */
import {
  BODY,
  bucketOffset,
  connectionKey,
  connectionRecord,
  HASH,
  hashOf,
  LENGTH,
  MISSING_OFFSET,
  NEXT,
  type NodeRecord,
  nodeRecord,
  recordKey,
} from '../../contracts/xenstore-contents.ts';
import { isSpecial, parentOf, ROOT } from '../../contracts/xenstore-paths.ts';
import { CHILDREN_BYTES_MAX, type StateAnswer, type StateRequest } from '../../contracts/xenstore-state.ts';
import { decode, Reader } from '../../wire/binary.ts';
import type { SharedRegion } from '../../xen/ports.ts';

/** With a full table a chain has three records; a longer one than this is a loop. */
const CHAIN_MAX = 10_000;
const NOTHING = new Uint8Array(0);

/** undefined: only State knows. */
export function lookAt(
  pages: SharedRegion,
  { domid, path, value, childrenFrom }: StateRequest<'look'>,
): StateAnswer<'look'> | undefined {
  const connection = find(pages, connectionKey(domid));
  const found = connection && nearest(pages, path);
  if (!connection || found === undefined) return undefined;
  const { target, nodes, memory } = decode(connectionRecord, connection);
  const exact = found?.key === path;
  const children = exact && childrenFrom !== null ? found.children : NOTHING;
  const from = childrenFrom ?? 0;
  return {
    outcome: 'ok',
    target,
    usage: { nodes, memory, transactionNodes: 0 },
    exact,
    parentExists: exact || found?.key === parentOf(path),
    permissions: found?.permissions ?? [],
    generation: found?.generation ?? 0,
    value: exact && value ? found.value : NOTHING,
    childrenBytes: children.length,
    children: children.slice(from, from + CHILDREN_BYTES_MAX),
  };
}

/** The node or the one above it that is there. null: there is none, undefined: only State knows. */
function nearest(pages: SharedRegion, path: string): NodeRecord | null | undefined {
  for (let at = path; ; at = parentOf(at)) {
    const body = find(pages, at);
    if (body === undefined) return undefined;
    if (body) return decode(nodeRecord, body);
    if (at === ROOT || isSpecial(at)) return null;
  }
}

/** A record's body. null: there is none, undefined: there may be one that found no room. */
function find(pages: SharedRegion, key: string): Uint8Array | null | undefined {
  const hash = hashOf(key);
  let at = pages.load32(bucketOffset(hash));
  for (let steps = 0; at !== 0; steps += 1) {
    if (steps > CHAIN_MAX) throw new Error('the pages of xenstore-state have a loop');
    if (pages.load32(at + HASH) === hash) {
      const body = pages.read(at + BODY, pages.load32(at + LENGTH));
      if (recordKey.read(new Reader(body)) === key) return body;
    }
    at = pages.load32(at + NEXT);
  }
  return pages.load32(MISSING_OFFSET) === 0 ? null : undefined;
}
