/** XenStore's paths, as both of its VMs take them apart. */

export const ROOT = '/';
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || ROOT;
/** Paths such as @releaseDomain are no nodes of the tree. */
export const isSpecial = (path: string): boolean => path.startsWith('@');
