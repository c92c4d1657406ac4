/** Node permissions, as xenstored reads them. @source tools/xenstore/xenstored_core.c, perm_for_conn */
import { GONE, type Permissions } from '../../contracts/xenstore-state.ts';
import { allowsRead, allowsWrite } from '../../wire/xenstore-permissions.ts';
import type { DomId } from '../../xen/ports.ts';
import { isPrivileged, mayReadAll } from './privileges.ts';

export type Right = 'read' | 'write' | 'owner';

/** `target`: a domain for which the subject acts, as a device model does for its guest. It is asked for only where it counts. */
export function isAllowed(
  domid: DomId,
  acting: { readonly target: DomId | null },
  path: string,
  permissions: Permissions,
  right: Right,
): boolean {
  if (isPrivileged(domid, path)) return true;
  if (right === 'read' && mayReadAll(domid, path)) return true;
  const owner = permissions[0];
  if (!owner) return false;
  if (owner.domid === domid) return true;
  const { target } = acting;
  if (owner.domid === target) return true;
  const { access } = permissions.find((one) => one.domid === domid || one.domid === target) ?? owner;
  return right === 'read' ? allowsRead(access) : right === 'write' ? allowsWrite(access) : false;
}

/** As they are to be kept: entries for domains that are not there mean nobody. null: the owner is not there. */
export function withoutAbsent(permissions: Permissions, absent: ReadonlySet<DomId>): Permissions | null {
  if (absent.size === 0) return permissions;
  const kept = permissions.map(({ domid, access }) => ({ domid: absent.has(domid) ? domid | GONE : domid, access }));
  return kept[0]?.domid === permissions[0]?.domid ? kept : null;
}

export const domidsOf = (permissions: Permissions): DomId[] => permissions.map(({ domid }) => domid);

/** As clients see them. */
export const told = (permissions: Permissions): Permissions =>
  permissions.map(({ domid, access }) => ({ domid: domid & ~GONE, access }));

/** A new node has its parent's permissions; an unprivileged creator owns it. */
export function inherited(domid: DomId, path: string, parent: Permissions): Permissions {
  const owner = parent[0];
  if (!owner || owner.domid === domid || isPrivileged(domid, path)) return parent;
  return [{ domid, access: owner.access }, ...parent.slice(1)];
}
