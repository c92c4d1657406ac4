/**
 * Transactions: what one sees is the store as it was when the transaction first looked, with its own changes. At the end the nodes
 * that it looked at must be unchanged, then its changes are made again on the store itself.
 */
import { COPIED_CHILD_BYTES, nodeBytes, TRANSACTION_BYTES } from '../../contracts/xenstore-quota.ts';
import { counter, type Decoded, flag, list, nullable, struct, text, u16, u32 } from '../../wire/binary.ts';
import type { Accounts } from './accounts.ts';
import {
  applyTo,
  type BaseNodes,
  copyOf,
  fromSaved,
  type NodeChange,
  type NodeMap,
  nodeChange,
  Owners,
  type StoreNode,
  savedNode,
  savedOwners,
  toSaved,
  touchedBy,
} from './nodes.ts';

export const savedTransaction = struct({
  domid: u16,
  copies: list(struct({ path: text, node: nullable(savedNode), generation: counter })),
  seen: list(text),
  newlySeen: nullable(struct({ path: text, at: u32, copied: flag })),
  changes: list(nodeChange),
  owners: savedOwners,
  bytes: u32,
});
type SavedTransaction = Decoded<typeof savedTransaction>;

const ABSENT = 0;

interface Copy {
  /** With the transaction's own changes. */
  node: StoreNode | undefined;
  /** Of the store's node when it was copied, ABSENT where there was none. */
  readonly generation: number;
}

/** A copy shares its value with the store. */
const copyBytes = (path: string, node: StoreNode | undefined): number =>
  nodeBytes(path, 0, 0) + COPIED_CHILD_BYTES * (node?.children.size ?? 0);
const noteBytes = ({ path, value, permissions }: NodeChange): number =>
  nodeBytes(path, value?.length ?? 0, permissions.length);

export class Transaction implements NodeMap {
  private readonly copies = new Map<string, Copy>();
  /** Those of them that were looked at. */
  private readonly seen = new Set<string>();
  /** What the last look has added to it, and in which request. */
  private newlySeen: { readonly path: string; readonly at: number; readonly copied: boolean } | null = null;
  /** What the domains own more than in the store. */
  readonly owners = new Owners();
  readonly changes: NodeChange[] = [];
  /** What it keeps of its own. */
  private bytes = 0;

  constructor(
    private readonly base: BaseNodes,
    readonly domid: number,
    private readonly accounts: Accounts,
  ) {
    this.grow(TRANSACTION_BYTES);
  }

  /** Nobody has to account for it any more. */
  close(): void {
    this.grow(-this.bytes);
  }

  /** From now on a change of this node by another one is a conflict. */
  remember(path: string, at: number): void {
    if (this.newlySeen?.path === path && this.newlySeen.at === at) return;
    this.newlySeen = this.seen.has(path) ? null : { path, at, copied: !this.copies.has(path) };
    if (this.newlySeen === null) return;
    // The copy may be older than this look: it was made for a child of the node.
    this.copied(path);
    this.seen.add(path);
  }

  /** What remembering takes. */
  costOfLook(path: string): { readonly copies: number; readonly bytes: number } {
    return this.copies.has(path) ? { copies: 0, bytes: 0 } : { copies: 1, bytes: copyBytes(path, this.base.get(path)) };
  }

  costOf(change: NodeChange): { readonly copies: number; readonly bytes: number } {
    const copied = touchedBy(this, change).filter((path) => !this.copies.has(path));
    const bytes = copied.reduce((sum, path) => sum + copyBytes(path, this.base.get(path)), noteBytes(change));
    return { copies: copied.length, bytes };
  }

  /** Seen at once, and to be made again on the store at the end. */
  change(change: NodeChange): void {
    applyTo(this, change);
    this.changes.push(change);
    this.grow(noteBytes(change));
  }

  hasSeen(path: string): boolean {
    return this.seen.has(path);
  }

  /** The node itself, or one below it. */
  hasSeenBelow(path: string): boolean {
    return [...this.seen].some((seen) => seen === path || seen.startsWith(`${path}/`));
  }

  /** If it was this look that made it remember: what an earlier request had a right to look at, it has seen. */
  unsee(path: string): void {
    if (this.newlySeen?.path !== path) return;
    this.seen.delete(path);
    if (this.newlySeen.copied) {
      this.grow(-copyBytes(path, this.copies.get(path)?.node));
      this.copies.delete(path);
    }
    this.newlySeen = null;
  }

  get(path: string): StoreNode | undefined {
    const copy = this.copies.get(path);
    return copy ? copy.node : this.base.get(path);
  }

  own(path: string): StoreNode | undefined {
    return this.copied(path).node;
  }

  put(path: string, node: StoreNode): void {
    this.alter(path, node);
  }

  delete(path: string): void {
    this.alter(path, undefined);
  }

  nextGeneration(): number {
    return this.base.nextGeneration();
  }

  /** Nodes of the domain as the transaction sees them. */
  nodesOf(domid: number): number {
    return this.base.owners.of(domid).nodes + this.owners.of(domid).nodes;
  }

  get size(): number {
    return this.copies.size;
  }

  conflicts(): boolean {
    return [...this.seen].some((path) => (this.base.get(path)?.generation ?? ABSENT) !== this.copied(path).generation);
  }

  save(): SavedTransaction {
    return {
      domid: this.domid,
      copies: [...this.copies].map(([path, { node, generation }]) => {
        return { path, node: node ? toSaved(node) : null, generation };
      }),
      seen: [...this.seen],
      newlySeen: this.newlySeen,
      changes: this.changes,
      owners: this.owners.save(),
      bytes: this.bytes,
    };
  }

  static load(base: BaseNodes, saved: SavedTransaction, accounts: Accounts): Transaction {
    const transaction = new Transaction(base, saved.domid, accounts);
    for (const { path, node, generation } of saved.copies)
      transaction.copies.set(path, { node: node ? fromSaved(node) : undefined, generation });
    for (const path of saved.seen) transaction.seen.add(path);
    transaction.newlySeen = saved.newlySeen;
    transaction.changes.push(...saved.changes);
    transaction.grow(saved.bytes - transaction.bytes);
    transaction.owners.load(saved.owners);
    return transaction;
  }

  private copied(path: string): Copy {
    const known = this.copies.get(path);
    if (known) return known;
    const node = this.base.get(path);
    const own = node && { ...node, children: copyOf(node.children) };
    const copy = { node: own, generation: node?.generation ?? ABSENT };
    this.copies.set(path, copy);
    this.grow(copyBytes(path, node));
    return copy;
  }

  private alter(path: string, node: StoreNode | undefined): void {
    const copy = this.copied(path);
    this.owners.moved(path, copy.node, node);
    copy.node = node;
  }

  private grow(bytes: number): void {
    this.bytes += bytes;
    this.accounts.add(this.domid, bytes);
  }
}
