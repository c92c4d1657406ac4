/** Who may do more than node permissions say. A VM that is not in this table is an ordinary client. */
import { type StorePrivilege, storePrivileges } from '../../contracts/store-privileges.ts';
import type { DomId } from '../../xen/ports.ts';

const DOMAIN_0: DomId = 0;

const privileges = new Map<DomId, StorePrivilege>(
  Object.values<StorePrivilege>(storePrivileges).map((privilege) => [privilege.domid, privilege]),
);

/** Where there is no Xen: whoever may open the socket is what domain 0 is to xenstored. To be called before the heap's snapshot. */
export function admitDomain0(): void {
  privileges.set(DOMAIN_0, {
    domid: DOMAIN_0,
    owns: ['/'],
    except: [],
    reads: [],
    control: true,
    counts: true,
    limits: true,
    why: 'the permissions of the socket are the only ones that xenstored has for it',
  });
}

/** The root covers the special paths, too. */
const covers = (top: string, path: string): boolean => top === '/' || path === top || path.startsWith(`${top}/`);

export function isPrivileged(domid: DomId, path: string): boolean {
  const privilege = privileges.get(domid);
  if (!privilege) return false;
  return privilege.owns.some((top) => covers(top, path)) && !privilege.except.some((top) => covers(top, path));
}

export function mayReadAll(domid: DomId, path: string): boolean {
  return privileges.get(domid)?.reads.some((top) => covers(top, path)) ?? false;
}

export const mayControl = (domid: DomId): boolean => privileges.get(domid)?.control ?? false;

export const mayCount = (domid: DomId): boolean => privileges.get(domid)?.counts ?? false;

export const maySetLimits = (domid: DomId): boolean => privileges.get(domid)?.limits ?? false;

/** Whether limits do not apply to the domain. */
export const isTrusted = (domid: DomId): boolean => privileges.has(domid);
