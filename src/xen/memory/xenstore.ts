/** A XenStore in memory that speaks the port, not the protocol: for the tests of everybody who uses a XenStore. */
import { BUILDER_DOMID, LAST_SERVICE_DOMID, TOOLSTACK_DOMID } from '../../contracts/domids.ts';
import { homeOf } from '../../contracts/xenstore-paths.ts';
import { type DomainQuota, nodeBytes } from '../../contracts/xenstore-quota.ts';
import { waitForNode } from '../../kit/xenstore-wait.ts';
import { encodeText } from '../../wire/xenstore-message.ts';
import { type Clock, type DomId, PortError } from '../ports.ts';
import type { NewNode, NodePermission, XenStore, XenStoreWriter } from '../xenstore-port.ts';
import { MemoryControl } from './xenstore-control.ts';
import {
  emptyTree,
  inherited,
  isBelow,
  mayRead,
  parentOf,
  put,
  removeSubtree,
  type Subject,
  setPermissions,
  type Tree,
  type TreeNode,
} from './xenstore-tree.ts';
import { type Operation, TreeView } from './xenstore-view.ts';

interface Watch {
  readonly subject: Subject;
  readonly path: string;
  readonly relativeTo: string | null;
  readonly handler: (changed: string) => void;
}

const TRANSACTION_TRIES_MAX = 50;

export class MemoryXenStore {
  private readonly tree: Tree = emptyTree(BUILDER_DOMID);
  private readonly watches = new Set<Watch>();
  private readonly privileged: Set<DomId>;
  readonly control = new MemoryControl(() => this.quotas());
  /** Domains that were introduced and not yet released. */
  readonly introduced = new Map<DomId, { gfn: number; port: number }>();

  constructor(
    private readonly clock: Clock,
    privileged: readonly DomId[] = [BUILDER_DOMID, TOOLSTACK_DOMID],
  ) {
    this.privileged = new Set(privileged);
  }

  /** From now on `domid` may read and write everything. */
  makePrivileged(domid: DomId): void {
    this.privileged.add(domid);
  }

  /** What Builder does for a new domain: an introduction, and a home that the domain owns. */
  addHome(domid: DomId): void {
    const builder = { domid: BUILDER_DOMID, privileged: true };
    put(this.tree, homeOf(domid), null, inherited(this.tree, homeOf(domid), builder));
    setPermissions(this.tree, homeOf(domid), [{ domid, access: 'none' }]);
    put(this.tree, `${homeOf(domid)}/domid`, String(domid), inherited(this.tree, homeOf(domid), builder));
    this.introduced.set(domid, { gfn: 0, port: 0 });
  }

  connect(domid: DomId): XenStore {
    return new Connection(this, domid, this.clock);
  }

  subject(domid: DomId): Subject {
    return { domid, privileged: this.privileged.has(domid) };
  }

  /** All values by path: for a test's eyes. */
  dump(below = '/'): Record<string, string> {
    const kept = [...this.tree].filter(([path]) => path === below || isBelow(path, below));
    return Object.fromEntries(kept.map(([path, node]) => [path, node.value]).sort());
  }

  /** A transaction is nothing that lasts here. */
  quotas(): DomainQuota[] {
    const owners = [...this.tree.values()].map(({ permissions }) => permissions[0]?.domid);
    const watchers = [...this.watches].map(({ subject }) => subject.domid);
    const memory = (domid: DomId): number =>
      [...this.tree]
        .filter(([, { permissions }]) => permissions[0]?.domid === domid)
        .map(([path, { value, permissions }]) => nodeBytes(path, encodeText(value).length, permissions.length))
        .reduce((sum, bytes) => sum + bytes, 0);
    const present = [...owners, ...watchers, ...this.introduced.keys()].filter((domid) => domid !== undefined);
    const count = (all: readonly unknown[], domid: DomId) => all.filter((one) => one === domid).length;
    return [...new Set(present)]
      .sort((a, b) => a - b)
      .map((domid) => ({
        domid,
        nodes: count(owners, domid),
        watches: count(watchers, domid),
        transactions: 0,
        outstanding: 0,
        memory: memory(domid),
        events: 0,
      }));
  }

  get watchesLeft(): number {
    return this.watches.size;
  }

  /** What XenStore-Logic does when an introduced domain has died or shut down. */
  domainGone(domid: DomId, gone: boolean): void {
    if (!this.introduced.has(domid)) return;
    if (gone) {
      this.introduced.delete(domid);
      for (const watch of this.watches) if (watch.subject.domid === domid) this.watches.delete(watch);
      if (domid > LAST_SERVICE_DOMID) this.removeOwned(domid);
    }
    this.fireSpecial('@releaseDomain');
  }

  introduce(domid: DomId, gfn: number, port: number): void {
    const isKnown = this.introduced.has(domid);
    this.introduced.set(domid, { gfn, port });
    if (!isKnown) this.fireSpecial('@introduceDomain');
  }

  current(): Tree {
    return this.tree;
  }

  commit(operations: readonly Operation[]): void {
    // A watch is told of a node once, however often a transaction has changed it.
    const told = new Map<Watch, Set<string>>();
    for (const { path, run } of operations) {
      const before = new Map(this.tree);
      const removed = run(this.tree);
      this.fire(path, removed, before, told);
    }
  }

  addWatch(watch: Watch): () => void {
    this.watches.add(watch);
    this.call(watch, watch.path);
    return () => this.watches.delete(watch);
  }

  dropWatches(watches: readonly (() => void)[]): void {
    for (const drop of watches) drop();
  }

  /** With everything below. */
  private removeOwned(domid: DomId): void {
    for (const [path, { permissions }] of [...this.tree])
      if (permissions[0]?.domid === domid) this.commit([{ path, run: (tree) => removeSubtree(tree, path) }]);
  }

  private fire(path: string, removed: readonly string[], before: Tree, told: Map<Watch, Set<string>>): void {
    const tell = (watch: Watch, changed: string): void => {
      const paths = told.get(watch) ?? new Set();
      if (!paths.has(changed)) this.call(watch, changed);
      told.set(watch, paths.add(changed));
    };
    for (const watch of this.watches) {
      if (path === watch.path || isBelow(path, watch.path)) {
        const nodes = [before.get(path), this.tree.get(path), this.tree.get(parentOf(path))];
        if (mayKnow(watch.subject, nodes)) tell(watch, path);
      } else if (removed.includes(watch.path)) {
        const nodes = [before.get(watch.path), before.get(parentOf(watch.path))];
        if (mayKnow(watch.subject, nodes)) tell(watch, watch.path);
      }
    }
  }

  private fireSpecial(name: string): void {
    for (const watch of this.watches) if (watch.path === name && watch.subject.privileged) this.call(watch, name);
  }

  private call(watch: Watch, path: string): void {
    const told =
      watch.relativeTo !== null && isBelow(path, watch.relativeTo) ? path.slice(watch.relativeTo.length + 1) : path;
    queueMicrotask(() => {
      if (this.watches.has(watch)) watch.handler(told);
    });
  }
}

/**
 * Of a change in a node learns who could or can read it, or its parent.
 * @source tools/xenstore/xenstored_watch.c, watch_permitted
 */
const mayKnow = (subject: Subject, nodes: readonly (TreeNode | undefined)[]): boolean =>
  nodes.some((node) => node !== undefined && mayRead(node, subject));

class Connection implements XenStore {
  private readonly watchesHeld = new Set<() => void>();
  private closed = false;

  constructor(
    private readonly store: MemoryXenStore,
    private readonly domid: DomId,
    private readonly clock: Clock,
  ) {}

  read = (path: string): Promise<string | null> => this.now((view) => view.read(path));
  list = (path: string): Promise<string[] | null> => this.now((view) => view.list(path));
  permissions = (path: string): Promise<NodePermission[] | null> => this.now((view) => view.permissions(path));
  write = (path: string, value: string): Promise<void> => this.now((view) => view.write(path, value));
  mkdir = (path: string): Promise<void> => this.now((view) => view.mkdir(path));
  remove = (path: string): Promise<void> => this.now((view) => view.remove(path));
  setPermissions = (path: string, permissions: readonly NodePermission[]): Promise<void> =>
    this.now((view) => view.setPermissions(path, permissions));
  make = (nodes: readonly NewNode[]): Promise<void> => this.now(async (view) => view.make(nodes));

  async watch(path: string, handler: (changed: string) => void): Promise<() => Promise<void>> {
    this.check();
    const home = homeOf(this.domid);
    const relative = !path.startsWith('/') && !path.startsWith('@');
    const drop = this.store.addWatch({
      subject: this.store.subject(this.domid),
      path: relative ? `${home}/${path}` : path,
      relativeTo: relative ? home : null,
      handler,
    });
    this.watchesHeld.add(drop);
    return async () => {
      this.watchesHeld.delete(drop);
      drop();
    };
  }

  async transaction<T>(body: (store: XenStoreWriter) => Promise<T>): Promise<T> {
    for (let tries = 1; tries <= TRANSACTION_TRIES_MAX; tries += 1) {
      this.check();
      const view = new TreeView(this.store.subject(this.domid), this.store.current());
      const result = await body(view);
      const current = this.store.current();
      if ([...view.seen].some(([path, node]) => current.get(path) !== node)) continue;
      this.store.commit(view.operations);
      return result;
    }
    throw new PortError('EAGAIN', 'xenstore transaction', `${TRANSACTION_TRIES_MAX} conflicts`);
  }

  waitFor<T>(path: string, accept: (value: string | null) => T | undefined, timeoutMs: number): Promise<T> {
    return waitForNode(this, this.clock, path, accept, timeoutMs);
  }

  async introduce(domid: DomId, gfn: number, port: number): Promise<void> {
    this.demandPrivilege('introduce');
    this.store.introduce(domid, gfn, port);
  }

  async release(domid: DomId): Promise<void> {
    this.demandPrivilege('release');
    if (!this.store.introduced.has(domid)) throw new PortError('ENOENT', 'xenstore release', String(domid));
    this.store.domainGone(domid, true);
  }

  async control(command: string, ...parameters: readonly string[]): Promise<string> {
    this.check();
    return this.store.control.answer(this.domid, command, parameters);
  }

  close(): void {
    this.closed = true;
    this.store.dropWatches([...this.watchesHeld]);
    this.watchesHeld.clear();
  }

  private async now<T>(operation: (view: TreeView) => Promise<T>): Promise<T> {
    this.check();
    const view = new TreeView(this.store.subject(this.domid), this.store.current());
    // The view answers before its promise does: nobody comes between.
    const result = operation(view);
    if (view.operations.length > 0) this.store.commit(view.operations);
    return result;
  }

  private check(): void {
    if (this.closed) throw new PortError('ENOTCONN', 'xenstore', 'closed here');
  }

  private demandPrivilege(operation: string): void {
    this.check();
    if (!this.store.subject(this.domid).privileged)
      throw new PortError('EACCES', `xenstore ${operation}`, String(this.domid));
  }
}
