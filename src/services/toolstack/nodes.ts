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

/**
 * Writes nodes that are not there yet, parents before their children. A new node has its parent's permissions and belongs to its writer; so
 * only those that differ from the parent's are set. XenStore answers in order: no request waits for the one before.
 */
export async function writeNodes(store: XenStoreWriter, nodes: readonly Node[]): Promise<void> {
  const written = new Map<string, string>();
  const requests: Promise<void>[] = [];
  for (const { path, value, permissions } of nodes) {
    const wanted = JSON.stringify(permissions);
    written.set(path, wanted);
    requests.push(store.write(path, value));
    if (written.get(path.slice(0, path.lastIndexOf('/'))) !== wanted)
      requests.push(store.setPermissions(path, permissions));
  }
  await Promise.all(requests);
}
