/** XenStore's paths, as both of its VMs take them apart. */

import type { DomId } from '../xen/ports.ts';

export const ROOT = '/';
export const homeOf = (domid: DomId): string => `/local/domain/${domid}`;
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || ROOT;
/** Paths such as @releaseDomain are no nodes of the tree. */
export const isSpecial = (path: string): boolean => path.startsWith('@');
