/**
 * Fairness of transactions: whoever fails again and again because others change what it has looked at gets a transaction that they cannot disturb.
 * Until it ends, their changes of what it has looked at are held, and asked for again; so many times and so long at most, so that nobody holds up
 * others for ever. Services are not held up by guests.
 */
import { LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import { isSpecial, parentOf, ROOT } from '../../contracts/xenstore-paths.ts';
import { type Decoded, list, nullable, struct, u16, u32 } from '../../wire/binary.ts';
import type { NodeChange, NodeMap } from './nodes.ts';
import type { Transaction } from './transaction.ts';

/** Conflicts in a row. */
export const CONFLICTS_MAX = 5;
export const HELD_MAX = 2000;
export const SECONDS_MAX = 2;
const HELD_BY_WAITING = HELD_MAX / 10;

export const savedReservations = struct({
  conflicts: list(struct({ domid: u16, count: u32 })),
  reserved: nullable(struct({ transaction: u32, domid: u16, held: u32, seconds: u32 })),
});

export class Reservations {
  private readonly conflicts = new Map<number, number>();
  private reserved: { readonly transaction: number; readonly domid: number; held: number; seconds: number } | null =
    null;

  conflicted(domid: number): void {
    this.conflicts.set(domid, (this.conflicts.get(domid) ?? 0) + 1);
  }

  succeeded(domid: number): void {
    this.conflicts.delete(domid);
  }

  /** One at a time. Those who wait for one count as held many times, so that nobody keeps it who does not end. */
  started(domid: number, transaction: number): void {
    if ((this.conflicts.get(domid) ?? 0) < CONFLICTS_MAX) return;
    if (this.reserved) this.reserved.held += HELD_BY_WAITING;
    this.tooLong();
    this.reserved ??= { transaction, domid, held: 0, seconds: 0 };
  }

  ended(transaction: number): void {
    if (this.reserved?.transaction === transaction) this.reserved = null;
  }

  /** Whether the change has to wait. Asking counts. */
  holds(
    by: number,
    changes: readonly NodeChange[],
    transactions: ReadonlyMap<number, Transaction>,
    nodes: NodeMap,
  ): boolean {
    const transaction = this.reserved && transactions.get(this.reserved.transaction);
    if (!this.reserved || !transaction || by === transaction.domid || by <= LAST_SERVICE_DOMID) return false;
    if (!changes.some((change) => disturbs(change, transaction, nodes))) return false;
    this.reserved.held += 1;
    return !this.tooLong();
  }

  get hasOne(): boolean {
    return this.reserved !== null;
  }

  aged(): void {
    if (!this.reserved) return;
    this.reserved.seconds += 1;
    this.tooLong();
  }

  /** Who held others up for too long has to earn the next reservation. */
  private tooLong(): boolean {
    if (!this.reserved || (this.reserved.held <= HELD_MAX && this.reserved.seconds < SECONDS_MAX)) return false;
    this.conflicts.delete(this.reserved.domid);
    this.reserved = null;
    return true;
  }

  save(): Decoded<typeof savedReservations> {
    return { conflicts: [...this.conflicts].map(([domid, count]) => ({ domid, count })), reserved: this.reserved };
  }

  load({ conflicts, reserved }: Decoded<typeof savedReservations>): void {
    for (const { domid, count } of conflicts) this.conflicts.set(domid, count);
    this.reserved = reserved && { ...reserved };
  }
}

/** Whether the change would alter a node that the transaction has looked at. */
function disturbs({ kind, path }: NodeChange, transaction: Transaction, nodes: NodeMap): boolean {
  if (kind === 'remove') return transaction.hasSeen(parentOf(path)) || transaction.hasSeenBelow(path);
  for (let at = path; ; at = parentOf(at)) {
    if (transaction.hasSeen(at)) return true;
    // A node that is there is where the making of others begins; only it has another child then.
    if (at === ROOT || isSpecial(at) || nodes.get(at)) return false;
  }
}
