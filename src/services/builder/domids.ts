/** Which domid a new VM gets. */
import { FIRST_DRIVER_DOMID, FIRST_GUEST_DOMID, LAST_GUEST_DOMID, LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import type { DomId } from '../../xen/ports.ts';

/**
 * Guests' domids go upward and start again only at the end of the range: what is left of a dead guest somewhere (a ring that is
 * still mapped, a node) cannot be taken for a new one's.
 */
export class GuestDomids {
  constructor(private next: DomId = FIRST_GUEST_DOMID) {}

  /** null: all are taken. */
  take(isFree: (domid: DomId) => boolean): DomId | null {
    const count = LAST_GUEST_DOMID - FIRST_GUEST_DOMID + 1;
    for (let step = 0; step < count; step += 1) {
      const candidate = FIRST_GUEST_DOMID + ((this.next - FIRST_GUEST_DOMID + step) % count);
      if (!isFree(candidate)) continue;
      this.next = candidate + 1;
      return candidate;
    }
    return null;
  }

  /** Where the next `take` begins. */
  get position(): DomId {
    return this.next;
  }
}

/** null: there are more controllers than domids for their VMs. */
export function freeDriverDomid(isTaken: (domid: DomId) => boolean): DomId | null {
  for (let candidate = FIRST_DRIVER_DOMID; candidate <= LAST_SERVICE_DOMID; candidate += 1)
    if (!isTaken(candidate)) return candidate;
  return null;
}
