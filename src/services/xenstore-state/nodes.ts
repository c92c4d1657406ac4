/** The nodes: a map by path, the same for the store itself and for what a transaction sees of it. */
import { isSpecial, parentOf, ROOT } from '../../contracts/xenstore-paths.ts';
import { nodeBytes } from '../../contracts/xenstore-quota.ts';
import { GONE, type Permissions, permissions } from '../../contracts/xenstore-state.ts';
import { bytes, counter, type Decoded, i32, list, nullable, struct, text, u16, word } from '../../wire/binary.ts';
import type { Accounts } from './accounts.ts';

type Children = Set<string>;
/** Most nodes have none: they share this set, and nobody adds to it. */
export const NO_CHILDREN: Children = new Set();
export const copyOf = (children: Children): Children => (children.size === 0 ? NO_CHILDREN : new Set(children));
const withChild = (children: Children, name: string): Children =>
  children === NO_CHILDREN ? new Set([name]) : children.add(name);
function withoutChild(children: Children, name: string): Children {
  children.delete(name);
  return children.size === 0 ? NO_CHILDREN : children;
}

export interface StoreNode {
  readonly value: Uint8Array;
  readonly permissions: Permissions;
  /** Names, in the order in which they came. */
  readonly children: Children;
  /** Grows with every change of value, permissions or children, over the whole store. */
  readonly generation: number;
}

/** A node as it outlives a process. */
export const savedNode = struct({ value: bytes, permissions, children: list(text), generation: counter });
type SavedNode = Decoded<typeof savedNode>;
export const toSaved = (node: StoreNode): SavedNode => ({ ...node, children: [...node.children] });
export const fromSaved = (saved: SavedNode): StoreNode => ({ ...saved, children: copyOf(new Set(saved.children)) });

export const savedNodes = struct({ generation: counter, nodes: list(struct({ path: text, node: savedNode })) });

export interface NodeMap {
  get(path: string): StoreNode | undefined;
  /** The node as this map's own, whose children may be altered. */
  own(path: string): StoreNode | undefined;
  put(path: string, node: StoreNode): void;
  delete(path: string): void;
  /** A number larger than all before. */
  nextGeneration(): number;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const childOf = (path: string, name: string): string => (path === ROOT ? `/${name}` : `${path}/${name}`);

const EMPTY = new Uint8Array(0);

export interface Nearest {
  readonly path: string;
  readonly node: StoreNode;
}

/** The node at `path` or the nearest one above it: the root is always there. undefined: a special path that is not. */
export function nearest(nodes: NodeMap, path: string): Nearest | undefined {
  const node = nodes.get(path);
  if (node) return { path, node };
  return path === ROOT || isSpecial(path) ? undefined : nearest(nodes, parentOf(path));
}

/** What a transaction has to make again on the store, as data: it outlives a process. `permissions` of a write: for nodes that it makes. */
export const nodeChange = struct({
  kind: word(['write', 'remove', 'setPermissions', 'make']),
  path: text,
  value: nullable(bytes),
  permissions,
});
export type NodeChange = Decoded<typeof nodeChange>;

/** The removed nodes. */
export function applyTo(nodes: NodeMap, { kind, path, value, permissions: given }: NodeChange): readonly Nearest[] {
  if (kind === 'remove') return remove(nodes, path);
  if (kind === 'write') write(nodes, path, value, given);
  // What is missing above a node that is made is like what is there.
  if (kind === 'make') write(nodes, path, value, nearest(nodes, path)?.node.permissions ?? given);
  if (kind !== 'write') setPermissions(nodes, path, given);
  return [];
}

/** null leaves a node that is there as it is. */
function write(nodes: NodeMap, path: string, value: Uint8Array | null, create: Permissions): void {
  const present = nodes.own(path);
  if (present && value !== null) nodes.put(path, { ...present, value, generation: nodes.nextGeneration() });
  if (present) return;
  const generation = nodes.nextGeneration();
  const permissions = asAbove(nodes, path, create);
  nodes.put(path, { value: value ?? EMPTY, permissions, children: NO_CHILDREN, generation });
  const parent = parentOf(path);
  write(nodes, parent, null, create);
  alterChildren(nodes, parent, (children) => withChild(children, nameOf(path)));
}

/** With everything below. */
function remove(nodes: NodeMap, path: string): readonly Nearest[] {
  const removed = subtree(nodes, path);
  for (const gone of removed) nodes.delete(gone.path);
  if (removed.length > 0) alterChildren(nodes, parentOf(path), (children) => withoutChild(children, nameOf(path)));
  return removed;
}

function setPermissions(nodes: NodeMap, path: string, given: Permissions): void {
  const node = nodes.own(path);
  if (node) nodes.put(path, { ...node, permissions: given, generation: nodes.nextGeneration() });
}

/** Most nodes have their parent's permissions: they share them. */
function asAbove(nodes: NodeMap, path: string, given: Permissions): Permissions {
  const above = nodes.get(parentOf(path))?.permissions;
  return above && areEqual(above, given) ? above : given;
}

const areEqual = (a: Permissions, b: Permissions): boolean =>
  a.length === b.length && a.every(({ domid, access }, at) => b[at]?.domid === domid && b[at]?.access === access);

/** What is below a node comes before it, as xenstored removes it. */
function subtree(nodes: NodeMap, path: string): Nearest[] {
  const node = nodes.get(path);
  if (!node) return [];
  return [...[...node.children].flatMap((name) => subtree(nodes, childOf(path, name))), { path, node }];
}

function alterChildren(nodes: NodeMap, path: string, alter: (children: Children) => Children): void {
  const node = nodes.own(path);
  if (!node) return;
  nodes.put(path, { ...node, children: alter(node.children), generation: nodes.nextGeneration() });
}

/** The nodes that a change puts or deletes. */
export function touchedBy(nodes: NodeMap, { kind, path }: NodeChange): string[] {
  if (kind === 'remove') return [...subtree(nodes, path).map((gone) => gone.path), parentOf(path)];
  const touched = [path];
  for (let at = path; !nodes.get(at) && at !== ROOT; touched.push(at)) at = parentOf(at);
  return touched;
}

export interface Growth {
  readonly owner: number;
  readonly nodes: number;
  readonly bytes: number;
}
const NO_GROWTH: Growth = { owner: 0, nodes: 0, bytes: 0 };

/** What a change adds to what somebody owns. One that leaves less is no growth, and neither is a new owner: who gives nodes away has no limits. */
export function growthOf(nodes: NodeMap, change: NodeChange): Growth {
  const { kind, path, value, permissions } = change;
  if (kind === 'remove') return NO_GROWTH;
  const present = nodes.get(path);
  const [owner] = present?.permissions ?? permissions;
  if (!owner) return NO_GROWTH;
  if (!present) {
    const made = touchedBy(nodes, change).filter((at) => !nodes.get(at));
    const bytes = made.reduce((sum, at) => sum + nodeBytes(at, 0, permissions.length), value?.length ?? 0);
    return { owner: owner.domid, nodes: made.length, bytes };
  }
  const before = nodeBytes(path, value ? present.value.length : 0, kind === 'write' ? 0 : present.permissions.length);
  const after = nodeBytes(path, value?.length ?? 0, kind === 'write' ? 0 : permissions.length);
  return { owner: owner.domid, nodes: 0, bytes: after - before };
}

export const savedOwners = list(struct({ domid: u16, nodes: i32, bytes: i32 }));

interface Owned {
  readonly nodes: number;
  readonly bytes: number;
}
const NOTHING_OWNED: Owned = { nodes: 0, bytes: 0 };

/** How many nodes each domain owns, and what they take. */
export class Owners {
  private readonly owned = new Map<number, Owned>();

  /** `grown`: what a domain owns takes so many bytes more. */
  constructor(private readonly grown: (domid: number, bytes: number) => void = () => {}) {}

  of(domid: number): Owned {
    return this.owned.get(domid) ?? NOTHING_OWNED;
  }

  domids(): number[] {
    return [...this.owned.keys()].filter((domid) => this.of(domid).nodes > 0 || this.of(domid).bytes > 0);
  }

  /** `before` and `after` are the same path's node, where there is one. */
  moved(path: string, before: StoreNode | undefined, after: StoreNode | undefined): void {
    const from = before?.permissions[0]?.domid;
    const to = after?.permissions[0]?.domid;
    const bytesBefore = before ? nodeBytes(path, before.value.length, before.permissions.length) : 0;
    const bytesAfter = after ? nodeBytes(path, after.value.length, after.permissions.length) : 0;
    if (from === to && before && after) this.add(to, 0, bytesAfter - bytesBefore);
    else {
      this.add(from, -1, -bytesBefore);
      this.add(to, 1, bytesAfter);
    }
  }

  save(): Decoded<typeof savedOwners> {
    return [...this.owned].map(([domid, owned]) => ({ domid, ...owned }));
  }

  load(saved: Decoded<typeof savedOwners>): void {
    for (const { domid, ...owned } of saved) this.owned.set(domid, owned);
  }

  private add(domid: number | undefined, nodes: number, bytes: number): void {
    if (domid === undefined || (nodes === 0 && bytes === 0)) return;
    const owned = this.of(domid);
    this.owned.set(domid, { nodes: owned.nodes + nodes, bytes: owned.bytes + bytes });
    this.grown(domid, bytes);
  }
}

const withoutDomain = (permissions: Permissions, gone: number, heir: number): Permissions =>
  permissions.map(({ domid, access }, at) => {
    if (domid !== gone) return { domid, access };
    return { domid: at === 0 ? heir : gone | GONE, access };
  });

/** The store's own contents. */
export class BaseNodes implements NodeMap {
  private readonly nodes = new Map<string, StoreNode>();
  readonly owners: Owners;
  private generation = 0;

  /** `changed`: a node has. */
  constructor(
    private readonly changed: (path: string) => void,
    accounts: Accounts,
  ) {
    this.owners = new Owners((domid, bytes) => accounts.add(domid, bytes));
  }

  get(path: string): StoreNode | undefined {
    return this.nodes.get(path);
  }

  own(path: string): StoreNode | undefined {
    return this.nodes.get(path);
  }

  put(path: string, node: StoreNode): void {
    this.owners.moved(path, this.nodes.get(path), node);
    this.nodes.set(path, node);
    this.changed(path);
  }

  delete(path: string): void {
    this.owners.moved(path, this.nodes.get(path), undefined);
    this.nodes.delete(path);
    this.changed(path);
  }

  nextGeneration(): number {
    this.generation += 1;
    return this.generation;
  }

  /** The topmost nodes that the domain owns, in the order of the tree. The root is not for anybody to take along. */
  ownedBy(domid: number): string[] {
    const found: string[] = [];
    const visit = (path: string): void => {
      const node = this.nodes.get(path);
      if (!node) return;
      if (path !== ROOT && node.permissions[0]?.domid === domid) found.push(path);
      else for (const name of node.children) visit(childOf(path, name));
    };
    if (this.owners.of(domid).nodes > 0) visit(ROOT);
    return found;
  }

  /** Nobody has a right by this domid any more. What cannot be removed is owned by `heir`. To others a node is what it was. */
  forget(domid: number, heir: number): void {
    const without = new Map<Permissions, Permissions>();
    for (const [path, node] of this.nodes) {
      const { permissions } = node;
      if (!permissions.some((permission) => permission.domid === domid)) continue;
      const left = without.get(permissions) ?? withoutDomain(permissions, domid, heir);
      without.set(permissions, left);
      this.put(path, { ...node, permissions: left });
    }
  }

  save(): Decoded<typeof savedNodes> {
    return {
      generation: this.generation,
      nodes: [...this.nodes].map(([path, node]) => ({ path, node: toSaved(node) })),
    };
  }

  load({ generation, nodes }: Decoded<typeof savedNodes>): void {
    for (const { path, node } of nodes) {
      const permissions = asAbove(this, path, node.permissions);
      this.put(path, fromSaved({ ...node, permissions }));
    }
    this.generation = generation;
  }
}
