/** The open transactions: who has which, and how they end. */

import type { LimitKind } from '../../contracts/xenstore-limits.ts';
import type { StateAnswer } from '../../contracts/xenstore-state.ts';
import { type Decoded, list, struct, u32 } from '../../wire/binary.ts';
import type { Accounts } from './accounts.ts';
import type { BaseNodes, NodeChange } from './nodes.ts';
import type { Quota } from './quota.ts';
import { Reservations, savedReservations } from './reservations.ts';
import { savedTransaction, Transaction } from './transaction.ts';

type Outcome = StateAnswer<'transactionEnd'>['outcome'];

export const savedTransactions = struct({
  last: u32,
  open: list(struct({ id: u32, transaction: savedTransaction })),
  reservations: savedReservations,
});

export class Transactions {
  private readonly open = new Map<number, Transaction>();
  private readonly reservations = new Reservations();
  private last = 0;

  constructor(
    private readonly base: BaseNodes,
    private readonly accounts: Accounts,
    private readonly quota: Quota,
  ) {}

  /** Its number; never 0. */
  start(domid: number): number {
    do this.last = (this.last % 0xffffffff) + 1;
    while (this.open.has(this.last));
    this.open.set(this.last, new Transaction(this.base, domid, this.accounts));
    this.reservations.started(domid, this.last);
    return this.last;
  }

  /** Nobody has another domain's. */
  of(domid: number, id: number): Transaction | undefined {
    const transaction = this.open.get(id);
    return transaction?.domid === domid ? transaction : undefined;
  }

  countOf(domid: number): number {
    return [...this.open.values()].filter((transaction) => transaction.domid === domid).length;
  }

  domids(): number[] {
    return [...this.open.values()].map(({ domid }) => domid);
  }

  /**
   * With `ok` come the changes that are to be made on the store itself. One that is held goes on. `isThere`: a domain that has gone since it was
   * named in the transaction is a conflict.
   */
  end(
    domid: number,
    id: number,
    commit: boolean,
    limits: LimitKind,
    isThere: (domid: number) => boolean,
  ): { outcome: Outcome; changes: NodeChange[] } {
    const ending = this.of(domid, id);
    if (!ending) return { outcome: 'no-transaction', changes: [] };
    const outcome = commit ? this.outcomeOf(ending, limits, isThere) : 'ok';
    if (outcome !== 'held') this.close(id);
    if (outcome === 'conflict') this.reservations.conflicted(domid);
    if (outcome !== 'ok' || !commit) return { outcome, changes: [] };
    this.reservations.succeeded(domid);
    return { outcome, changes: ending.changes };
  }

  forget(domid: number): void {
    for (const [id, { domid: owner }] of this.open) if (owner === domid) this.close(id);
    this.reservations.succeeded(domid);
  }

  /** Whether the changes have to wait for somebody's transaction. */
  hold(by: number, changes: readonly NodeChange[]): boolean {
    return this.reservations.holds(by, changes, this.open, this.base);
  }

  get hasReservation(): boolean {
    return this.reservations.hasOne;
  }

  aged(): void {
    this.reservations.aged();
  }

  save(): Decoded<typeof savedTransactions> {
    const open = [...this.open].map(([id, transaction]) => ({ id, transaction: transaction.save() }));
    return { last: this.last, open, reservations: this.reservations.save() };
  }

  load({ last, open, reservations }: Decoded<typeof savedTransactions>): void {
    this.last = last;
    for (const { id, transaction } of open) this.open.set(id, Transaction.load(this.base, transaction, this.accounts));
    this.reservations.load(reservations);
  }

  private outcomeOf(ending: Transaction, limits: LimitKind, isThere: (domid: number) => boolean): Outcome {
    const named = ending.changes.flatMap(({ permissions }) => permissions.map(({ domid }) => domid));
    if (ending.conflicts() || !named.every(isThere)) return 'conflict';
    const excess = this.quota.excessOfEnd({ domid: ending.domid, limits }, ending);
    if (excess) return excess;
    return this.hold(ending.domid, ending.changes) ? 'held' : 'ok';
  }

  private close(id: number): void {
    this.open.get(id)?.close();
    this.open.delete(id);
    this.reservations.ended(id);
  }
}
