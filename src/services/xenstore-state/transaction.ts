/**
 * Transactions: what one sees is the store as it was when the transaction first looked, with its own changes. At the end the nodes
 * that it looked at must be unchanged, then its changes are made again on the store itself.
 */
import { nodeBytes } from '../../contracts/xenstore-quota.ts';
import { counter, type Decoded, list, nullable, struct, text, u16, u32 } from '../../wire/binary.ts';
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
} from './nodes.ts';

export const savedTransaction = struct({
  domid: u16,
  copies: list(struct({ path: text, node: nullable(savedNode) })),
  seen: list(struct({ path: text, generation: counter })),
  newlySeen: nullable(struct({ path: text, at: u32 })),
  changes: list(nodeChange),
  owners: savedOwners,
});
type SavedTransaction = Decoded<typeof savedTransaction>;

const ABSENT = 0;

export class Transaction implements NodeMap {
  private readonly copies = new Map<string, StoreNode | undefined>();
  /** path → its generation when it was first looked at, ABSENT for a node that was not there. */
  private readonly seen = new Map<string, number>();
  /** What the last look has added to it, and in which request. */
  private newlySeen: { readonly path: string; readonly at: number } | null = null;
  private readonly owners = new Owners();
  readonly changes: NodeChange[] = [];
  private changeBytes = 0;

  constructor(
    private readonly base: BaseNodes,
    readonly domid: number,
  ) {}

  /** From now on a change of this node by another one is a conflict. */
  remember(path: string, at: number): void {
    if (this.newlySeen?.path === path && this.newlySeen.at === at) return;
    this.newlySeen = this.seen.has(path) ? null : { path, at };
    if (this.newlySeen === null) return;
    this.seen.set(path, this.base.get(path)?.generation ?? ABSENT);
    this.get(path);
  }

  /** Seen at once, and to be made again on the store at the end. */
  change(change: NodeChange): void {
    applyTo(this, change);
    this.note(change);
  }

  private note(change: NodeChange): void {
    this.changes.push(change);
    this.changeBytes += nodeBytes(change.path, change.value?.length ?? 0, change.permissions.length);
  }

  hasSeen(path: string): boolean {
    return this.seen.has(path);
  }

  /** The node itself, or one below it. */
  hasSeenBelow(path: string): boolean {
    return [...this.seen.keys()].some((seen) => seen === path || seen.startsWith(`${path}/`));
  }

  /** If it was this look that made it remember: what an earlier request had a right to look at, it has seen. */
  unsee(path: string): void {
    if (this.newlySeen?.path !== path) return;
    this.seen.delete(path);
    this.newlySeen = null;
  }

  get(path: string): StoreNode | undefined {
    if (!this.copies.has(path)) {
      const node = this.base.get(path);
      this.copies.set(path, node && { ...node, children: copyOf(node.children) });
    }
    return this.copies.get(path);
  }

  put(path: string, node: StoreNode): void {
    this.owners.moved(path, this.get(path), node);
    this.copies.set(path, node);
  }

  delete(path: string): void {
    this.owners.moved(path, this.get(path), undefined);
    this.copies.set(path, undefined);
  }

  nextGeneration(): number {
    return this.base.nextGeneration();
  }

  /** Nodes of the domain as the transaction sees them. */
  nodesOf(domid: number): number {
    return this.base.owners.of(domid).nodes + this.owners.of(domid).nodes;
  }

  /** What it keeps of its own: copies of nodes share their values with the store. */
  get bytes(): number {
    return this.changeBytes + this.size * nodeBytes('', 0, 1);
  }

  get size(): number {
    return this.copies.size;
  }

  conflicts(): boolean {
    for (const [path, generation] of this.seen)
      if ((this.base.get(path)?.generation ?? ABSENT) !== generation) return true;
    return false;
  }

  save(): SavedTransaction {
    return {
      domid: this.domid,
      copies: [...this.copies].map(([path, node]) => ({ path, node: node ? toSaved(node) : null })),
      seen: [...this.seen].map(([path, generation]) => ({ path, generation })),
      newlySeen: this.newlySeen,
      changes: this.changes,
      owners: this.owners.save(),
    };
  }

  static load(base: BaseNodes, saved: SavedTransaction): Transaction {
    const transaction = new Transaction(base, saved.domid);
    for (const { path, node } of saved.copies) transaction.copies.set(path, node ? fromSaved(node) : undefined);
    for (const { path, generation } of saved.seen) transaction.seen.set(path, generation);
    transaction.newlySeen = saved.newlySeen;
    for (const change of saved.changes) transaction.note(change);
    transaction.owners.load(saved.owners);
    return transaction;
  }
}
