/** Paths as clients give them. @source tools/xenstore/xenstored_core.c, is_valid_nodename, canonicalize */
import { isSpecial } from '../../contracts/xenstore-paths.ts';
import { ABSOLUTE_PATH_BYTES_MAX, RELATIVE_PATH_BYTES_MAX } from '../../wire/xenstore-message.ts';
import type { DomId } from '../../xen/ports.ts';

export const homeOf = (domid: DomId): string => `/local/domain/${domid}`;

export interface ClientPath {
  readonly absolute: string;
  readonly relative: boolean;
}

/** null: not a path. A path that does not start in `/` starts at the client's home. */
export function resolvePath(domid: DomId, given: string): ClientPath | null {
  const relative = !given.startsWith('/');
  const absolute = relative ? `${homeOf(domid)}/${given}` : given;
  return isValid(absolute) ? { absolute, relative } : null;
}

/** As `resolvePath`, also for @introduceDomain and its like. */
export function resolveWatchPath(domid: DomId, given: string): ClientPath | null {
  if (!isSpecial(given)) return resolvePath(domid, given);
  return /^@[A-Za-z0-9-/_@]{1,255}$/.test(given) ? { absolute: given, relative: false } : null;
}

/** The path that a watcher is told. */
export function toldPath(domid: DomId, relative: boolean, absolute: string): string {
  const home = `${homeOf(domid)}/`;
  return relative && absolute.startsWith(home) ? absolute.slice(home.length) : absolute;
}

function isValid(path: string): boolean {
  if (path.length > ABSOLUTE_PATH_BYTES_MAX) return false;
  const below = path.replace(/^\/local\/domain\/\d{1,5}\//, '');
  if (below.length > RELATIVE_PATH_BYTES_MAX) return false;
  return path === '/' || /^(\/[A-Za-z0-9\-_@]+)+$/.test(path);
}
