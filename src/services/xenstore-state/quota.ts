/** What domains may have: guests as it is set, services as it is fixed, and both only as much as State has room for. */
import { LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import {
  type LimitKind,
  type LimitName,
  type Limits,
  limitNames,
  SERVICES_MEMORY_MAX,
  serviceLimits,
} from '../../contracts/xenstore-limits.ts';
import { type Decoded, list, u32 } from '../../wire/binary.ts';
import type { Log } from '../../xen/ports.ts';
import type { Accounts } from './accounts.ts';
import { type BaseNodes, growthOf, type NodeChange } from './nodes.ts';
import type { Transaction } from './transaction.ts';

/** A value for each of `limitNames`. */
export const savedLimits = list(u32);

/** A connection, as far as it matters here. */
interface Limited {
  readonly domid: number;
  readonly limits: LimitKind;
}

export type Excess = 'too-many-nodes' | 'too-much-memory' | null;

export class Quota {
  /** Guests that were told of, once as long as they are connected: no guest shall fill the log. */
  private readonly warned = new Set<number>();

  constructor(
    private values: Limits,
    private readonly accounts: Accounts,
    private readonly log: Log,
  ) {}

  get guests(): Limits {
    return this.values;
  }

  set(name: LimitName, value: number): void {
    this.values = { ...this.values, [name]: value };
  }

  maxOf(kind: LimitKind, name: LimitName): number {
    if (kind === 'none') return Number.POSITIVE_INFINITY;
    return kind === 'guest' ? this.values[name] : serviceLimits[name];
  }

  /** Whether the limits leave no room for a change. */
  excessOf(
    { domid, limits }: Limited,
    base: BaseNodes,
    transaction: Transaction | undefined,
    change: NodeChange,
  ): Excess {
    if (limits === 'none') return null;
    const { owner, nodes, bytes } = growthOf(transaction ?? base, change);
    if (nodes > 0) {
      const owned = transaction ? transaction.nodesOf(domid) : base.owners.of(domid).nodes;
      if (owned + nodes > this.maxOf(limits, 'nodes')) return 'too-many-nodes';
    }
    if (transaction) return this.excessInside(limits, transaction, transaction.costOf(change));
    return this.allows(limits, domid, owner, bytes) ? null : 'too-much-memory';
  }

  /** A transaction remembers what it has looked at. */
  excessOfLook({ limits }: Limited, transaction: Transaction, path: string): Excess {
    return limits === 'none' ? null : this.excessInside(limits, transaction, transaction.costOfLook(path));
  }

  /** At its end; of what everybody would own, as by xenstored. Its own domain has accounted for the changes all the while. */
  excessOfEnd({ domid, limits }: Limited, transaction: Transaction): Excess {
    if (limits === 'none') return null;
    const { owners } = transaction;
    if (owners.of(domid).nodes > 0 && transaction.nodesOf(domid) > this.maxOf(limits, 'nodes')) return 'too-many-nodes';
    const others = owners.domids().filter((owner) => owner !== domid);
    const fits = others.every((owner) => this.allows(limits, domid, owner, owners.of(owner).bytes));
    return fits ? null : 'too-much-memory';
  }

  private excessInside(
    limits: LimitKind,
    transaction: Transaction,
    { copies, bytes }: ReturnType<Transaction['costOf']>,
  ): Excess {
    const { domid, size } = transaction;
    if (copies > 0 && size + copies > this.maxOf(limits, 'transaction-nodes')) return 'too-many-nodes';
    return this.allows(limits, domid, domid, bytes) ? null : 'too-much-memory';
  }

  /** Whether somebody with such limits may add so much to what `owner` has, perhaps itself. */
  allows(kind: LimitKind, by: number, owner: number, bytes: number): boolean {
    if (kind === 'none' || bytes <= 0) return true;
    if (owner > LAST_SERVICE_DOMID) return this.guestMayGrow(owner, bytes);
    // What others may write in a service's nodes is bounded by the nodes, which are its own.
    if (owner !== by) return true;
    const { accounts } = this;
    return accounts.of(owner) + bytes <= serviceLimits.memory && accounts.drivers + bytes <= SERVICES_MEMORY_MAX;
  }

  save(): Decoded<typeof savedLimits> {
    return limitNames.map((name) => this.values[name]);
  }

  load(saved: Decoded<typeof savedLimits>): void {
    for (const [at, name] of limitNames.entries()) this.set(name, saved[at] ?? this.values[name]);
  }

  forget(domid: number): void {
    this.warned.delete(domid);
  }

  private guestMayGrow(domid: number, bytes: number): boolean {
    const after = this.accounts.of(domid) + bytes;
    if (after >= this.values['memory-soft'] && !this.warned.has(domid)) {
      this.warned.add(domid);
      this.log(`domain ${domid} exceeds soft memory quota`);
    }
    if (after > this.values.memory) return false;
    return this.accounts.guestMayGrow(domid, bytes, this.values['total-memory']);
  }
}
