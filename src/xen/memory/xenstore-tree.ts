/**
 * The contents of a XenStore as plainly as they can be written: a map of immutable nodes by path. It is the reference that the real
 * store is compared with, so it never trades plainness for speed.
 */
import { allowsRead, allowsWrite, type Permission } from '../../wire/xenstore-permissions.ts';
import { type DomId, PortError } from '../ports.ts';

export interface TreeNode {
  readonly value: string;
  /** The owner first. */
  readonly permissions: readonly Permission[];
}

export type Tree = Map<string, TreeNode>;

export interface Subject {
  readonly domid: DomId;
  readonly privileged: boolean;
}

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
export const isBelow = (path: string, ancestor: string): boolean =>
  path.startsWith(ancestor === '/' ? '/' : `${ancestor}/`) && path !== ancestor;

/** `root` owns `/` and lets nobody else read it. */
export const emptyTree = (root: DomId): Tree =>
  new Map([['/', { value: '', permissions: [{ domid: root, access: 'none' }] }]]);

/** The nearest node at or above `path`. */
export function nearest(tree: Tree, path: string): TreeNode {
  const node = tree.get(path);
  if (node) return node;
  if (path === '/') throw new Error('a tree without a root');
  return nearest(tree, parentOf(path));
}

function accessOf(node: TreeNode, { domid, privileged }: Subject): { read: boolean; write: boolean; owner: boolean } {
  const owner = privileged || node.permissions[0]?.domid === domid;
  const named = node.permissions.slice(1).find((permission) => permission.domid === domid);
  const access = (named ?? node.permissions[0])?.access ?? 'none';
  return { owner, read: owner || allowsRead(access), write: owner || allowsWrite(access) };
}

/** Refuses with EACCES also where a missing node's nearest ancestor gives no such right. Nobody owns what is not there: who may make it may know that. */
export function demand(tree: Tree, path: string, subject: Subject, right: 'read' | 'write' | 'owner'): void {
  const needed = right === 'owner' && !tree.has(path) ? 'write' : right;
  if (!accessOf(nearest(tree, path), subject)[needed]) throw new PortError('EACCES', 'xenstore', path);
}

export const mayRead = (node: TreeNode, subject: Subject): boolean => accessOf(node, subject).read;

export function children(tree: Tree, path: string): string[] {
  const names = [...tree.keys()].flatMap((key) =>
    key !== '/' && parentOf(key) === path ? [key.slice(key.lastIndexOf('/') + 1)] : [],
  );
  return names.sort();
}

/** A new node takes the permissions of the nearest one above it; an unprivileged creator owns it. */
export function inherited(tree: Tree, path: string, subject: Subject): readonly Permission[] {
  const [owner, ...others] = nearest(tree, path).permissions;
  if (!owner) throw new Error(`${path}: no owner`);
  return [subject.privileged ? owner : { ...owner, domid: subject.domid }, ...others];
}

/** Makes `path` and what is missing above it, with these permissions. */
export function put(tree: Tree, path: string, value: string | null, create: readonly Permission[]): readonly string[] {
  const present = tree.get(path);
  if (present) {
    if (value !== null) tree.set(path, { ...present, value });
    return [];
  }
  put(tree, parentOf(path), null, create);
  tree.set(path, { value: value ?? '', permissions: create });
  touch(tree, parentOf(path));
  return [];
}

/** The removed paths, top first. */
export function removeSubtree(tree: Tree, path: string): readonly string[] {
  const removed = [...tree.keys()].filter((key) => key === path || isBelow(key, path)).sort();
  for (const key of removed) tree.delete(key);
  touch(tree, parentOf(path));
  return removed;
}

export function setPermissions(tree: Tree, path: string, permissions: readonly Permission[]): readonly string[] {
  const node = tree.get(path);
  if (node) tree.set(path, { ...node, permissions: [...permissions] });
  return [];
}

/** A node whose children change is another node: a transaction that listed it must notice. */
function touch(tree: Tree, path: string): void {
  const node = tree.get(path);
  if (node) tree.set(path, { ...node });
}
