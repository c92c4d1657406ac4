/** What one client may use. The values for guests are xenstored's defaults. @source tools/xenstore/xenstored_core.c, quota_* */
import { LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import type { DomId } from '../../xen/ports.ts';
import { isTrusted } from './privileges.ts';

export interface Limits {
  readonly nodesMax: number;
  readonly valueBytesMax: number;
  /** Bytes of all that it has in the store (`nodeBytes`). */
  readonly memoryMax: number;
  readonly watchesMax: number;
  readonly transactionsMax: number;
  /** Nodes that one transaction may look at or change. */
  readonly transactionNodesMax: number;
  readonly permissionsMax: number;
}

const guest: Limits = {
  nodesMax: 1000,
  // A quarter of xenstored's: the store has a VM of 24 MiB to itself, and keeps its contents three times.
  memoryMax: 512 * 1024,
  valueBytesMax: 2048,
  watchesMax: 128,
  transactionsMax: 10,
  transactionNodesMax: 1024,
  permissionsMax: 5,
};

/** A back end has nodes and watches for each of its guests' devices. */
const service: Limits = { ...guest, nodesMax: 16_000, memoryMax: 2 * 1024 * 1024, watchesMax: 2048 };

/** null: none. */
export function limitsOf(domid: DomId): Limits | null {
  if (isTrusted(domid)) return null;
  return domid <= LAST_SERVICE_DOMID ? service : guest;
}
