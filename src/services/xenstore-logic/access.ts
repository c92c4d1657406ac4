/** Node permissions, as xenstored reads them. @source tools/xenstore/xenstored_core.c, perm_for_conn */
import type { Permissions } from '../../contracts/xenstore-state.ts';
import { allowsRead, allowsWrite } from '../../wire/xenstore-permissions.ts';
import type { DomId } from '../../xen/ports.ts';
import { isPrivileged, mayReadAll } from './privileges.ts';

export type Right = 'read' | 'write' | 'owner';

/** `target`: a domain for which the subject acts, as a device model does for its guest. */
export interface Subject {
  readonly domid: DomId;
  readonly target: DomId | null;
}

export function isAllowed(subject: Subject, path: string, permissions: Permissions, right: Right): boolean {
  if (isPrivileged(subject.domid, path)) return true;
  if (right === 'read' && mayReadAll(subject.domid, path)) return true;
  const [owner, ...others] = permissions;
  if (!owner) return false;
  const isSubject = (domid: DomId): boolean => domid === subject.domid || domid === subject.target;
  if (isSubject(owner.domid)) return true;
  const { access } = others.find(({ domid }) => isSubject(domid)) ?? owner;
  return right === 'read' ? allowsRead(access) : right === 'write' ? allowsWrite(access) : false;
}

/** A new node has its parent's permissions; an unprivileged creator owns it. */
export function inherited(domid: DomId, path: string, parent: Permissions): Permissions {
  const [owner, ...others] = parent;
  if (!owner || isPrivileged(domid, path)) return parent;
  return [{ ...owner, domid }, ...others];
}
