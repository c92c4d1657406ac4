/**
 * Permissions of a XenStore node as text: `n0`, `r5`, `w5`, `b5`. The first names the owner and what everybody else may do.
 * @source docs/misc/xenstore.txt, "permissions"
 */

export type Access = 'none' | 'read' | 'write' | 'both';

export interface Permission {
  readonly domid: number;
  readonly access: Access;
}

const letters = { none: 'n', read: 'r', write: 'w', both: 'b' } as const;
const accesses: Readonly<Record<string, Access>> = { n: 'none', r: 'read', w: 'write', b: 'both' };

const DOMID_MAX = 0x7fef;

export const encodePermission = ({ domid, access }: Permission): string => `${letters[access]}${domid}`;

/** null: not a permission. */
export function decodePermission(text: string): Permission | null {
  const access = accesses[text.charAt(0)];
  const digits = text.slice(1);
  if (!access || !/^\d{1,5}$/.test(digits) || Number(digits) > DOMID_MAX) return null;
  return { domid: Number(digits), access };
}

export const allowsRead = (access: Access): boolean => access === 'read' || access === 'both';
export const allowsWrite = (access: Access): boolean => access === 'write' || access === 'both';
