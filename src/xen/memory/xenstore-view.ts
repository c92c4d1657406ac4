import { homeOf } from '../../contracts/xenstore-paths.ts';
import { PortError } from '../ports.ts';
import type { NewNode, NodePermission, XenStoreWriter } from '../xenstore-port.ts';
import {
  children,
  demand,
  inherited,
  put,
  removeSubtree,
  type Subject,
  setPermissions,
  type Tree,
  type TreeNode,
} from './xenstore-tree.ts';

/** One change, which can be made again on another tree. `run` returns the paths that it removed. */
export interface Operation {
  readonly path: string;
  run(tree: Tree): readonly string[];
}

/** Reads and changes a copy of a tree, and remembers what it did and which of the tree's own nodes it saw. */
export class TreeView implements XenStoreWriter {
  readonly seen = new Map<string, TreeNode | undefined>();
  readonly operations: Operation[] = [];
  private readonly original: Tree;
  private readonly tree: Tree;

  constructor(
    private readonly subject: Subject,
    tree: Tree,
  ) {
    this.original = new Map(tree);
    this.tree = new Map(tree);
  }

  async read(path: string): Promise<string | null> {
    return this.look(path, 'read')?.value ?? null;
  }

  async list(path: string): Promise<string[] | null> {
    return this.look(path, 'read') ? children(this.tree, this.absolute(path)) : null;
  }

  async permissions(path: string): Promise<NodePermission[] | null> {
    const node = this.look(path, 'read');
    return node ? [...node.permissions] : null;
  }

  async write(path: string, value: string): Promise<void> {
    this.look(path, 'write');
    this.put(path, value);
  }

  async mkdir(path: string): Promise<void> {
    if (this.look(path, 'write')) return;
    this.put(path, null);
  }

  async remove(path: string): Promise<void> {
    if (!this.look(path, 'write')) return;
    if (this.absolute(path) === '/') throw new PortError('EINVAL', 'xenstore rm', path);
    this.change(path, (tree) => removeSubtree(tree, this.absolute(path)));
  }

  async setPermissions(path: string, permissions: readonly NodePermission[]): Promise<void> {
    const node = this.look(path, 'owner');
    const owner = node?.permissions[0]?.domid;
    if (!node) throw new PortError('ENOENT', 'xenstore setPerms', path);
    if (!this.subject.privileged && permissions[0]?.domid !== owner)
      throw new PortError('EPERM', 'xenstore setPerms', path);
    this.change(path, (tree) => setPermissions(tree, this.absolute(path), permissions));
  }

  /** All of them or none. */
  make(nodes: readonly NewNode[]): void {
    const placed = nodes.map((node) => ({ ...node, path: this.absolute(node.path) }));
    if (!this.subject.privileged) throw new PortError('EACCES', 'xenstore make', nodes[0]?.path ?? '');
    for (const { path, value, permissions } of placed)
      this.change(path, (tree) => {
        put(tree, path, value, inherited(tree, path, this.subject));
        return setPermissions(tree, path, permissions);
      });
  }

  /** With the permissions that a new node has now, whatever becomes of its parent's before a transaction ends. */
  private put(path: string, value: string | null): void {
    const create = inherited(this.tree, this.absolute(path), this.subject);
    this.change(path, (tree) => put(tree, this.absolute(path), value, create));
  }

  private absolute(path: string): string {
    const absolute = path.startsWith('/') ? path : `${homeOf(this.subject.domid)}/${path}`;
    const sound = absolute === '/' || /^(\/[A-Za-z0-9_@-]+)+$/.test(absolute);
    if (!sound) throw new PortError('EINVAL', 'xenstore', path);
    return absolute;
  }

  private look(path: string, right: 'read' | 'write' | 'owner'): TreeNode | undefined {
    const absolute = this.absolute(path);
    // Of what it may not look at, it may not learn that it changes.
    demand(this.tree, absolute, this.subject, right);
    this.seen.set(absolute, this.original.get(absolute));
    return this.tree.get(absolute);
  }

  private change(path: string, run: (tree: Tree) => readonly string[]): void {
    run(this.tree);
    this.operations.push({ path: this.absolute(path), run });
  }
}
