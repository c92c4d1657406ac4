/** Paths as clients give them. @source tools/xenstore/xenstored_core.c, is_valid_nodename, canonicalize */
import { limits } from '../../contracts/xenstore-limits.ts';
import { homeOf, isSpecial } from '../../contracts/xenstore-paths.ts';
import { ABSOLUTE_PATH_BYTES_MAX } from '../../wire/xenstore-message.ts';
import type { DomId } from '../../xen/ports.ts';

export interface ClientPath {
  readonly absolute: string;
  readonly relative: boolean;
}

/** Looked at only for paths that are longer than it can be set to. */
interface PathLimit {
  readonly pathMax: number;
}
const ALWAYS_ALLOWED = limits['path-max'].min;

/** null: not a path. A path that does not start in `/` starts at the client's home. */
export function absolutePath(domid: DomId, given: string, limit: PathLimit): string | null {
  const absolute = given.startsWith('/') ? given : `${homeOf(domid)}/${given}`;
  return isValid(absolute, limit) ? absolute : null;
}

/** As `absolutePath`, also for @introduceDomain and its like. */
export function resolveWatchPath(domid: DomId, given: string, limit: PathLimit): ClientPath | null {
  if (!isSpecial(given)) {
    const absolute = absolutePath(domid, given, limit);
    return absolute === null ? null : { absolute, relative: !given.startsWith('/') };
  }
  return /^@[A-Za-z0-9-/_@]{1,255}$/.test(given) ? { absolute: given, relative: false } : null;
}

/** The path that a watcher is told. */
export function toldPath(domid: DomId, relative: boolean, absolute: string): string {
  const home = `${homeOf(domid)}/`;
  return relative && absolute.startsWith(home) ? absolute.slice(home.length) : absolute;
}

function isValid(path: string, limit: PathLimit): boolean {
  if (path.length > ALWAYS_ALLOWED && isTooLong(path, limit.pathMax)) return false;
  if (path === '/') return true;
  return /^[A-Za-z0-9\-_@/]+$/.test(path) && !path.includes('//') && !path.endsWith('/');
}

function isTooLong(path: string, max: number): boolean {
  const below = path.replace(/^\/local\/domain\/\d{1,5}\//, '');
  return path.length > ABSOLUTE_PATH_BYTES_MAX || below.length > max;
}
