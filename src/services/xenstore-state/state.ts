/** XenStore-State's answers to Logic, one for each operation of the contract. It believes nothing that would break its own order. */
import { LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import { connectionKey, connectionValue, type RecordBody } from '../../contracts/xenstore-contents.ts';
import { guestLimits, isWithinBounds, type Limits } from '../../contracts/xenstore-limits.ts';
import { isSpecial, parentOf, ROOT } from '../../contracts/xenstore-paths.ts';
import { TRANSACTION_BYTES, watchBytes } from '../../contracts/xenstore-quota.ts';
import {
  CHILDREN_BYTES_MAX,
  FIRED_MAX,
  type Fired,
  fired,
  GONE,
  PARTIAL_BYTES_MAX,
  type Permissions,
  type StateAnswer,
  type StateOperation,
  type StateRequest,
  WATCHERS_MAX,
} from '../../contracts/xenstore-state.ts';
import { bytes, type Decoded, decode, encode, list, struct, u16, u32 } from '../../wire/binary.ts';
import { encodeText } from '../../wire/xenstore-message.ts';
import type { Log } from '../../xen/ports.ts';
import { Accounts } from './accounts.ts';
import { type Connection, Connections, NO_PARTIAL, savedConnections } from './connections.ts';
import { type Contents, RECORD_BYTES_MAX } from './contents.ts';
import {
  applyTo,
  BaseNodes,
  type Nearest,
  NO_CHILDREN,
  type NodeChange,
  nearest,
  type StoreNode,
  savedNodes,
} from './nodes.ts';
import { Quota, savedLimits } from './quota.ts';
import { Transaction } from './transaction.ts';
import { savedTransactions, Transactions } from './transactions.ts';
import { savedWatches, type Watch, Watches } from './watches.ts';

/** Logic asked for something that it should know to be wrong. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

type Answers = { [O in StateOperation]: (request: StateRequest<O>) => StateAnswer<O> };

/** What Logic is granted, in its order. */
export type SharedPages = StateAnswer<'pages'>;

const lastChange = struct({ number: u32, context: bytes, answer: bytes });

/** All that State knows, as it outlives its process. */
const savedState = struct({
  nodes: savedNodes,
  watches: savedWatches,
  connections: savedConnections,
  transactions: savedTransactions,
  lastFired: list(fired),
  lastBatch: u32,
  lastChange,
  named: list(u16),
  limits: savedLimits,
  starts: struct({ state: u32, logic: u32 }),
});

export interface StateSettings {
  /** Only it reads the root, as with xenstored: whoever builds VMs. */
  readonly rootOwner: number;
  /** Of guests, as long as nobody sets others. */
  readonly limits?: Limits;
  readonly log: Log;
}

const EMPTY = new Uint8Array(0);
const SPECIAL_PATHS = ['@introduceDomain', '@releaseDomain'];

export class XenStoreState {
  /** What Logic is not yet shown of the changes. */
  private readonly changedNodes = new Set<string>();
  private readonly changedConnections = new Set<number>();
  private readonly accounts = new Accounts();
  private readonly quota: Quota;
  private readonly base = new BaseNodes((path) => this.changedNodes.add(path), this.accounts);
  private readonly watches = new Watches(this.accounts);
  private readonly connections: Connections;
  private readonly transactions: Transactions;
  /** Of the last change. */
  private lastFired: readonly Fired[] = [];
  private lastBatch = 0;
  lastChange: Decoded<typeof lastChange> = { number: 0, context: EMPTY, answer: EMPTY };
  private starts: StateAnswer<'starts'> = { state: 0, logic: 0 };
  /** Guests that some permission has named, connected or not: somebody has to notice when they are gone. */
  private readonly named = new Set<number>();

  constructor(
    private readonly contents: Contents,
    private readonly pages: SharedPages,
    private readonly settings: StateSettings,
  ) {
    this.quota = new Quota(settings.limits ?? guestLimits, this.accounts, settings.log);
    this.connections = new Connections(this.accounts, this.quota);
    this.transactions = new Transactions(this.base, this.accounts, this.quota);
    const permissions: Permissions = [{ domid: settings.rootOwner, access: 'none' }];
    for (const path of [ROOT, ...SPECIAL_PATHS])
      this.base.put(path, { value: EMPTY, permissions, children: NO_CHILDREN, generation: 0 });
    contents.showLimits(this.quota.guests);
    this.show();
  }

  get hasReservation(): boolean {
    return this.transactions.hasReservation;
  }

  save(): Uint8Array {
    return encode(savedState, {
      nodes: this.base.save(),
      watches: this.watches.save(),
      connections: this.connections.save(),
      transactions: this.transactions.save(),
      lastFired: this.lastFired,
      lastBatch: this.lastBatch,
      lastChange: this.lastChange,
      named: [...this.named],
      limits: this.quota.save(),
      starts: this.starts,
    });
  }

  /** Into a fresh State. Throws a DecodeError, having done nothing. */
  load(saving: Uint8Array): void {
    const saved = decode(savedState, saving);
    this.base.load(saved.nodes);
    this.watches.load(saved.watches);
    this.connections.load(saved.connections);
    this.transactions.load(saved.transactions);
    this.lastFired = saved.lastFired;
    this.lastBatch = saved.lastBatch;
    this.lastChange = saved.lastChange;
    this.starts = saved.starts;
    for (const domid of saved.named) this.named.add(domid);
    this.quota.load(saved.limits);
    this.contents.showLimits(this.quota.guests);
    for (const { domid } of this.connections.all()) this.changedConnections.add(domid);
    this.show();
  }

  answer<O extends StateOperation>(operation: O, request: StateRequest<O>): StateAnswer<O> {
    try {
      return this.answers[operation](request);
    } finally {
      this.show();
    }
  }

  private readonly answers: Answers = {
    connections: () => ({
      connections: this.connections.all(),
      named: [...this.named].filter((domid) => !this.connections.get(domid)),
    }),
    pages: () => this.pages,
    introduce: ({ domid, port, limits, announce }) => {
      // A domid is free for another domain only when the former one is gone, here too.
      const isKnown = this.connections.get(domid) !== undefined;
      this.drop(domid);
      this.connections.add(domid, port, limits);
      this.changedConnections.add(domid);
      return this.firing(announce && !isKnown ? this.announced('@introduceDomain') : []);
    },
    depart: ({ gone, strangers, shut, announce }) => {
      for (const domid of gone) this.drop(domid);
      // One that only lost its connection: its end has still to be noticed.
      this.name(gone);
      const fired = strangers.flatMap((domid) => this.bury(domid));
      for (const domid of shut) this.connections.shutDown(domid, true);
      return this.firing([...fired, ...(announce ? this.announced('@releaseDomain') : [])]);
    },
    resumed: ({ domid }) => ({ known: this.connections.shutDown(domid, false) }),
    unsee: ({ domid, transaction, path }) => {
      this.transactions.of(domid, transaction)?.unsee(path);
      return {};
    },
    setTarget: ({ domid, target }) => {
      const connection = this.connections.get(domid);
      if (!connection || !this.connections.get(target)) return { known: false };
      connection.target = target;
      this.changedConnections.add(domid);
      return { known: true };
    },
    counts: () => ({ domains: this.counts() }),
    limits: () => ({ values: this.quota.save() }),
    setLimit: ({ name, value }) => {
      if (!isWithinBounds(name, value)) throw new Refusal(`${name}: ${value}`);
      this.quota.set(name, value);
      this.contents.showLimits(this.quota.guests);
      return {};
    },
    look: (request) => this.look(request),
    write: ({ domid, transaction, path, value, create }) => {
      demandPath(path);
      demandOwner(create);
      return this.change(domid, transaction, { kind: 'write', path, value, permissions: create });
    },
    remove: ({ domid, transaction, path }) => {
      demandPath(path);
      if (path === ROOT) throw new Refusal('remove the root');
      return this.change(domid, transaction, { kind: 'remove', path, value: null, permissions: [] });
    },
    setPermissions: ({ domid, transaction, path, permissions }) => {
      demandOwner(permissions);
      return this.change(domid, transaction, { kind: 'setPermissions', path, value: null, permissions });
    },
    make: ({ domid, nodes }) => {
      this.demandConnection(domid);
      for (const { path, permissions } of nodes) {
        demandPath(path);
        demandOwner(permissions);
      }
      for (const { permissions } of nodes) this.name(permissions.map((permission) => permission.domid));
      return this.firing(nodes.flatMap((node) => this.apply({ kind: 'make', ...node })));
    },
    firedNext: ({ from }) => this.firedFrom(from),
    watch: (watch) => {
      const { domid, path, token } = watch;
      const { limits } = this.demandConnection(domid);
      if (this.watches.has(watch)) return { outcome: 'exists' };
      if (this.watches.countOf(domid) >= this.quota.maxOf(limits, 'watches')) return { outcome: 'too-many' };
      if (!this.quota.allows(limits, domid, domid, watchBytes(path, token))) return { outcome: 'too-much-memory' };
      this.watches.add(watch);
      return { outcome: 'ok' };
    },
    unwatch: ({ domid, path, token }) => ({ known: this.watches.remove(domid, path, token) }),
    starts: () => this.starts,
    started: ({ who }) => {
      this.starts = { ...this.starts, [who]: this.starts[who] + 1 };
      return {};
    },
    aged: () => {
      this.transactions.aged();
      return {};
    },
    reconnect: ({ domid }) => {
      this.forget(domid);
      this.connections.empty(domid);
      return {};
    },
    forget: ({ domid }) => {
      this.forget(domid);
      return {};
    },
    transactionStart: ({ domid }) => {
      const { limits } = this.demandConnection(domid);
      const tooMany = this.transactions.countOf(domid) >= this.quota.maxOf(limits, 'transactions');
      const isRefused = tooMany || !this.quota.allows(limits, domid, domid, TRANSACTION_BYTES);
      return { transaction: isRefused ? 0 : this.transactions.start(domid) };
    },
    transactionKnown: ({ domid, transaction }) => ({ known: this.transactions.of(domid, transaction) !== undefined }),
    transactionEnd: ({ domid, transaction, commit }) => {
      const limits = this.connections.get(domid)?.limits ?? 'none';
      const isThere = (named: number): boolean => this.isThere(named);
      const { outcome, changes } = this.transactions.end(domid, transaction, commit, limits, isThere);
      return { outcome, ...this.firing(changes.flatMap((change) => this.apply(change))) };
    },
    queue: ({ batch, messages }) => {
      const added = batch === this.lastBatch ? [] : messages;
      this.lastBatch = batch;
      return { lost: added.filter((message) => !this.connections.queue(message)).map(({ domid }) => domid) };
    },
    unsent: ({ domid, producer }) => ({ next: this.connections.unsent(domid, producer) }),
    partial: ({ domid }) => this.connections.get(domid)?.partial ?? NO_PARTIAL,
    keepPartial: ({ domid, ...partial }) => {
      if (partial.bytes.length > PARTIAL_BYTES_MAX) throw new Refusal('a request that is too long');
      this.connections.keepPartial(domid, partial);
      return {};
    },
    lastChange: () => this.lastChange,
  };

  private look({ domid, transaction, at, path, value, childrenFrom }: StateRequest<'look'>): StateAnswer<'look'> {
    const connection = this.connections.get(domid);
    const nodes = transaction === 0 ? this.base : this.transactions.of(domid, transaction);
    const excess = connection && nodes instanceof Transaction ? this.quota.excessOfLook(connection, nodes, path) : null;
    if (nodes instanceof Transaction && !excess) nodes.remember(path, at);
    const found = nodes && nearest(nodes, path);
    const exact = found?.path === path;
    const names = exact && childrenFrom !== null ? encodeNames(found.node.children) : EMPTY;
    const from = childrenFrom ?? 0;
    return {
      outcome: !connection ? 'no-connection' : nodes ? (excess ?? 'ok') : 'no-transaction',
      target: connection?.target ?? null,
      exact,
      parentExists: exact || found?.path === parentOf(path),
      permissions: found?.node.permissions ?? [],
      generation: found?.node.generation ?? 0,
      value: exact && value ? found.node.value : EMPTY,
      childrenBytes: names.length,
      children: names.slice(from, from + CHILDREN_BYTES_MAX),
    };
  }

  private change(domid: number, id: number, change: NodeChange): StateAnswer<'write'> {
    const connection = this.demandConnection(domid);
    const transaction = this.transactions.of(domid, id);
    const refusal = this.refusalOf(connection, id, transaction, change);
    if (refusal) return { outcome: refusal, ...this.firing([]) };
    if (change.kind === 'setPermissions') this.name(change.permissions.map((permission) => permission.domid));
    if (!transaction) return { outcome: 'ok', ...this.firing(this.apply(change)) };
    transaction.change(change);
    return { outcome: 'ok', ...this.firing([]) };
  }

  private refusalOf(
    connection: Connection,
    id: number,
    transaction: Transaction | undefined,
    change: NodeChange,
  ): Exclude<StateAnswer<'write'>['outcome'], 'ok'> | null {
    if (id === 0 && this.transactions.hold(connection.domid, [change])) return 'held';
    if (id !== 0 && !transaction) return 'no-transaction';
    return this.quota.excessOf(connection, this.base, transaction, change);
  }

  /** Makes a change on the store itself; the watches it fires. */
  private apply(change: NodeChange): Fired[] {
    const { path } = change;
    const before = this.permissionsAt(path);
    const removed = applyTo(this.base, change);
    if (isSpecial(path)) return [];
    const watches = this.watches.concerned(path);
    if (watches.length === 0 && removed.length < 2) return [];
    // Whoever could or can read the node, or its parent, may know of the change.
    const readableBy = [...before, ...this.permissionsAt(path), ...this.permissionsAt(parentOf(path))];
    const own = this.fired(path, watches, readableBy);
    return removed.length < 2 ? own : [...removed.slice(0, -1).flatMap((gone) => this.lost(gone, removed)), ...own];
  }

  /** A node that went with one above it: only those who watch it by name are told. */
  private lost({ path, node }: Nearest, removed: readonly Nearest[]): Fired[] {
    const watches = this.watches.exact(path);
    if (watches.length === 0) return [];
    const parent = removed.find((other) => other.path === parentOf(path));
    return this.fired(path, watches, [node.permissions, ...(parent ? [parent.node.permissions] : [])]);
  }

  private firing(fired: readonly Fired[]): StateAnswer<'firedNext'> {
    this.lastFired = fired;
    return this.firedFrom(0);
  }

  /** In portions, so that no number of watches makes an answer too long. */
  private firedFrom(from: number): StateAnswer<'firedNext'> {
    const to = from + FIRED_MAX;
    return { fired: this.lastFired.slice(from, to), more: to < this.lastFired.length };
  }

  private announced(path: string): Fired[] {
    return this.fired(path, this.watches.exact(path), this.permissionsAt(path));
  }

  private permissionsAt(path: string): Permissions[] {
    const node = this.base.get(path);
    return node ? [node.permissions] : [];
  }

  private fired(path: string, watches: readonly Watch[], readableBy: readonly Permissions[]): Fired[] {
    const watchers = watches.map(({ domid, token, relative }) => {
      return { domid, token, relative, target: this.connections.get(domid)?.target ?? null };
    });
    const portions = Math.ceil(watchers.length / WATCHERS_MAX);
    return Array.from({ length: portions }, (_, index) => {
      return { path, readableBy, watchers: watchers.slice(index * WATCHERS_MAX, (index + 1) * WATCHERS_MAX) };
    });
  }

  private counts(): StateAnswer<'counts'>['domains'] {
    const connected = this.connections.all().map(({ domid }) => domid);
    const domids = new Set([
      ...connected,
      ...this.transactions.domids(),
      ...this.base.owners.domids(),
      ...this.watches.domids(),
    ]);
    return [...domids]
      .sort((a, b) => a - b)
      .map((domid) => ({
        domid,
        nodes: this.base.owners.of(domid).nodes,
        watches: this.watches.countOf(domid),
        transactions: this.transactions.countOf(domid),
        outstanding: this.connections.outstandingOf(domid),
        memory: this.accounts.of(domid),
        events: this.connections.unsentBytesOf(domid),
      }));
  }

  /** Before an answer leaves, Logic is shown what it changes. */
  private show(): void {
    for (const path of this.changedNodes) this.contents.show(path, nodeRecord(this.base.get(path)));
    for (const domid of this.changedConnections) this.contents.show(connectionKey(domid), this.connectionRecord(domid));
    this.changedNodes.clear();
    this.changedConnections.clear();
  }

  private connectionRecord(domid: number): RecordBody | null {
    const connection = this.connections.get(domid);
    if (!connection) return null;
    const value = encode(connectionValue, { target: connection.target });
    return { permissions: [], generation: 0, value, children: EMPTY };
  }

  /** As xenstored: what it owned goes, and what is below; other nodes stay, and nobody has a right to them by its domid. */
  private bury(domid: number): Fired[] {
    this.named.delete(domid);
    const owned = this.base.ownedBy(domid);
    const fired = owned.flatMap((path) => this.apply({ kind: 'remove', path, value: null, permissions: [] }));
    this.base.forget(domid, this.settings.rootOwner);
    return fired;
  }

  private name(domids: readonly number[]): void {
    for (const domid of domids) if (domid > LAST_SERVICE_DOMID && (domid & GONE) === 0) this.named.add(domid);
  }

  /** False for a guest that was named and has gone since. */
  private isThere(domid: number): boolean {
    if (domid <= LAST_SERVICE_DOMID || (domid & GONE) !== 0) return true;
    return this.named.has(domid) || this.connections.get(domid) !== undefined;
  }

  private drop(domid: number): void {
    this.forget(domid);
    this.quota.forget(domid);
    for (const changed of this.connections.remove(domid)) this.changedConnections.add(changed);
  }

  private forget(domid: number): void {
    this.watches.forget(domid);
    this.transactions.forget(domid);
  }

  private demandConnection(domid: number): Connection {
    const connection = this.connections.get(domid);
    if (!connection) throw new Refusal(`domain ${domid} has no connection`);
    return connection;
  }
}

function demandPath(path: string): void {
  if (path !== ROOT && !/^(\/[^/]+)+$/.test(path)) throw new Refusal('not a path');
}

function demandOwner(permissions: Permissions): void {
  if (permissions.length === 0) throw new Refusal('no owner');
}

/** Larger than any record. */
const TOO_LARGE = new Uint8Array(RECORD_BYTES_MAX);

function nodeRecord(node: StoreNode | undefined): RecordBody | null {
  if (!node) return null;
  const { children } = node;
  return { ...node, children: 2 * children.size > RECORD_BYTES_MAX ? TOO_LARGE : encodeNames(children) };
}

function encodeNames(names: ReadonlySet<string>): Uint8Array {
  return names.size === 0 ? EMPTY : encodeText(`${[...names].join('\0')}\0`);
}
