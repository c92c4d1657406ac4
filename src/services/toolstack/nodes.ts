/** Permissions and places of XenStore nodes. */
import type { DomId } from '../../xen/ports.ts';
import type { NodePermission } from '../../xen/xenstore-port.ts';

/** The owner may do everything; it is the one that makes the node. */
export const ownedBy = (owner: DomId, ...others: readonly NodePermission[]): readonly NodePermission[] => [
  { domid: owner, access: 'none' },
  ...others,
];
export const reads = (domid: DomId): NodePermission => ({ domid, access: 'read' });
export const both = (domid: DomId): NodePermission => ({ domid, access: 'both' });

export const home = (domid: DomId): string => `/local/domain/${domid}`;
