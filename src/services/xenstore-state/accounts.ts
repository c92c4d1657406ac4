/** Bytes that each domain has in the store, whatever they are of, and how much that is together. */
import { FIRST_DRIVER_DOMID, LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import { GUEST_SHARE_BYTES } from '../../contracts/xenstore-limits.ts';

const beyondShare = (bytes: number): number => Math.max(0, bytes - GUEST_SHARE_BYTES);

export class Accounts {
  private readonly byDomid = new Map<number, number>();
  guests = 0;
  drivers = 0;
  /** What guests have of `guests` beyond their own shares. */
  private borrowed = 0;
  /** Those whose shares have to be kept for them. */
  connectedGuests = 0;

  of(domid: number): number {
    return this.byDomid.get(domid) ?? 0;
  }

  add(domid: number, bytes: number): void {
    if (bytes === 0) return;
    const before = this.of(domid);
    const after = before + bytes;
    if (after === 0) this.byDomid.delete(domid);
    else this.byDomid.set(domid, after);
    if (domid > LAST_SERVICE_DOMID) {
      this.guests += bytes;
      this.borrowed += beyondShare(after) - beyondShare(before);
    } else if (domid >= FIRST_DRIVER_DOMID) this.drivers += bytes;
  }

  /** Whether all guests together stay within `max`, and whoever has less than its share can still have it. */
  guestMayGrow(domid: number, bytes: number, max: number): boolean {
    if (this.guests + bytes > max) return false;
    const before = this.of(domid);
    const borrowing = beyondShare(before + bytes) - beyondShare(before);
    return borrowing === 0 || this.borrowed + borrowing <= max - GUEST_SHARE_BYTES * this.connectedGuests;
  }
}
