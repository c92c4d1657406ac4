/** XenStore nodes as data: what is to be written, and who may do what with it. */
import type { DomId } from '../../xen/ports.ts';
import type { NodePermission, XenStoreWriter } from '../../xen/xenstore-port.ts';

export interface Node {
  readonly path: string;
  readonly value: string;
  readonly permissions: readonly NodePermission[];
}

/** The owner may do everything; it is the one that makes the node. */
export const ownedBy = (owner: DomId, ...others: readonly NodePermission[]): readonly NodePermission[] => [
  { domid: owner, access: 'none' },
  ...others,
];
export const reads = (domid: DomId): NodePermission => ({ domid, access: 'read' });
export const both = (domid: DomId): NodePermission => ({ domid, access: 'both' });

export const home = (domid: DomId): string => `/local/domain/${domid}`;

/** Parents come before their children in `nodes`. */
export async function writeNodes(store: XenStoreWriter, nodes: readonly Node[]): Promise<void> {
  for (const { path, value, permissions } of nodes) {
    await store.write(path, value);
    await store.setPermissions(path, permissions);
  }
}
