/** Whose limits a client has. Those that XenStore-State does not check itself are in the pages that it shows. */
import { LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import { LIMITS_OFFSET } from '../../contracts/xenstore-contents.ts';
import { type LimitKind, serviceLimits, shownLimits } from '../../contracts/xenstore-limits.ts';
import type { DomId, SharedRegion } from '../../xen/ports.ts';
import { isTrusted } from './privileges.ts';

export function limitKindOf(domid: DomId): LimitKind {
  if (isTrusted(domid)) return 'none';
  return domid <= LAST_SERVICE_DOMID ? 'service' : 'guest';
}

export class ShownLimits {
  constructor(private readonly pages: SharedRegion) {}

  maxOf(domid: DomId, name: 'node-size' | 'permissions'): number {
    const kind = limitKindOf(domid);
    if (kind === 'none') return Number.POSITIVE_INFINITY;
    return kind === 'guest' ? this.shown(name) : serviceLimits[name];
  }

  /** Of everybody's, as with xenstored. */
  get pathMax(): number {
    return this.shown('path-max');
  }

  private shown(name: (typeof shownLimits)[number]): number {
    return this.pages.load32(LIMITS_OFFSET + 4 * shownLimits.indexOf(name));
  }
}
