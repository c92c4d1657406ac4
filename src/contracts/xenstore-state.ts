/**
 * XenStore-Logic ↔ XenStore-State: one request, one answer, in order, framed (src/wire/frame.ts) on State's store page. Logic asks, State never
 * speaks first. State keeps nodes, transactions, watches, connections and their unsent bytes; what a domain may do is Logic's affair.
 *
 * Logic may end at any moment and ask again. So operations that leave a trace are of two kinds: notes are the same when they are asked twice; changes
 * are not, so Logic numbers them, and State remembers the last one with its answer (docs/decisions/0014).
 */
import {
  bytes,
  type Codec,
  counter,
  type Decoded,
  flag,
  list,
  nullable,
  struct,
  text,
  u16,
  u32,
  word,
} from '../wire/binary.ts';
import { RING_STRUCTURE_BYTES } from '../wire/byte-ring.ts';
import { limitKinds, limitNames } from './xenstore-limits.ts';

/** Words of the page after Xen's structure: the number of a port that its owner opened for the other, 0 for none. */
export const STATE_PORT_OFFSET = RING_STRUCTURE_BYTES + 20;
export const LOGIC_PORT_OFFSET = STATE_PORT_OFFSET + 4;
/** What State puts into the page's `connection` field when it has started: a Logic that spoke with its predecessor has to find it again. */
export const CONNECTION_NEW_STATE = 2;
/** State's own: another number whenever it has started. */
export const STATE_LIFE_OFFSET = LOGIC_PORT_OFFSET + 8;
/** Logic's own: not 0 while it waits for an answer. What it finds there after a handler that failed was cut short. */
export const WAITING_OFFSET = LOGIC_PORT_OFFSET + 4;

export const accesses = ['none', 'read', 'write', 'both'] as const;
export const permission = struct({ domid: u16, access: word(accesses) });
/** The owner first; never empty. */
export const permissions = list(permission);
export type Permissions = Decoded<typeof permissions>;
/**
 * Set in the domid of an entry whose domain was not there, or has gone since: as with xenstored, the entry stays for all to see and means nobody. No
 * domain has such a domid.
 * @source Xen tools/xenstore/xenstored_domain.c, domain_alloc_permrefs, domain_adjust_node_perms
 */
export const GONE = 0x8000;

/** 0: none. */
const transaction = u32;

export const watcher = struct({ domid: u16, target: nullable(u16), token: text, relative: flag });
/** One watch event in the making: whoever may read under one of `readableBy` is told. */
export const fired = struct({ path: text, readableBy: list(permissions), watchers: list(watcher) });
export type Fired = Decoded<typeof fired>;

const connection = struct({ domid: u16, port: u32, target: nullable(u16), shutdown: flag });
export type ConnectionRecord = Decoded<typeof connection>;

/** How much a domain has in the store. */
const counts = struct({
  domid: u16,
  nodes: u32,
  watches: u32,
  transactions: u32,
  outstanding: u32,
  memory: u32,
  events: u32,
});

const nothing = struct({});
/** `more`: State holds further ones back, for `firedNext`. One has at most WATCHERS_MAX watchers. */
const firing = { fired: list(fired), more: flag };
/**
 * A change's answer. In a transaction nothing is fired before its end. `held`: not made, to be asked for again (see State's reservations.ts);
 * `too-…`: not made, because of the limits of the connection.
 */
const changed = struct({
  outcome: word(['ok', 'no-transaction', 'held', 'too-many-nodes', 'too-much-memory']),
  ...firing,
});

type Operations = Record<string, readonly [number, Codec<unknown>, Codec<unknown>]>;

/** They change nothing. operation → [number on the wire, request, answer] */
export const stateReads = {
  /** The registry. `named`: domids of other guests that some permission has named. */
  connections: [1, nothing, struct({ connections: list(connection), named: list(u16) })],
  /** Grants of the pages that Logic may read (xenstore-contents.ts) and of those that it may write (JOURNAL_PAGES), in their order. */
  pages: [6, nothing, struct({ contents: list(u32), journal: list(u32) })],
  /** Every domain with a connection or anything else in the store, in the order of domids. */
  counts: [5, nothing, struct({ domains: list(counts) })],
  /** A value for each of `limitNames`: what guests may have. */
  limits: [54, nothing, struct({ values: list(u32) })],
  /** What the last change has fired, from the given place on. */
  firedNext: [15, struct({ from: u32 }), struct(firing)],
  /** Whether the domain has it. */
  transactionKnown: [32, struct({ domid: u16, transaction }), struct({ known: flag })],
  /** The first part of a request whose rest has not come, and the ring's consumer index behind it. */
  partial: [42, struct({ domid: u16 }), struct({ bytes, until: u32 })],
  /** How often either program has been started. */
  starts: [51, nothing, struct({ state: u32, logic: u32 })],
  /** The last change, as it came and as it was answered. Number 0: there was none. */
  lastChange: [50, nothing, struct({ number: u32, context: bytes, answer: bytes })],
} as const satisfies Operations;

/** Asked twice they are the same. */
export const stateNotes = {
  /**
   * The node at `path`, or the nearest one above it. A transaction remembers what it looked at.
   * `childrenFrom`: an offset in the children's names, each followed by a NUL; at most CHILDREN_BYTES_MAX of them are answered.
   * `at`: tells the client's requests apart, and is the same when one is asked for again.
   */
  look: [
    10,
    struct({ domid: u16, transaction, at: u32, path: text, value: flag, childrenFrom: nullable(u32) }),
    struct({
      outcome: word(['ok', 'no-connection', 'no-transaction', 'too-many-nodes', 'too-much-memory']),
      target: nullable(u16),
      exact: flag,
      /** The nearest node is the parent of `path`. */
      parentExists: flag,
      permissions,
      generation: counter,
      value: bytes,
      childrenBytes: u32,
      children: bytes,
    }),
  ],
  /** The client has no right to know of a node that its transaction has looked at: what becomes of it is nothing to the transaction. */
  unsee: [17, struct({ domid: u16, transaction, path: text }), nothing],
  setTarget: [4, struct({ domid: u16, target: u16 }), struct({ known: flag })],
  setLimit: [53, struct({ name: word(limitNames), value: u32 }), nothing],
  /** The domain runs again after a shutdown. */
  resumed: [7, struct({ domid: u16 }), struct({ known: flag })],
  /** A second has passed in which changes may be held. State tells itself, and Logic by an event: what is held may be asked for again. */
  aged: [9, nothing, nothing],
  /** The program begins. One that begins twice has been started twice. */
  started: [52, struct({ who: word(['state', 'logic']) }), nothing],
  /** The domain begins its conversation anew: nothing is left of its watches, its transactions and of what was on its way. */
  reconnect: [8, struct({ domid: u16 }), nothing],
  /** Drops watches and transactions of the domain. */
  forget: [22, struct({ domid: u16 }), nothing],
  /**
   * Adds unsent messages, unless this batch was the last one that was added. An event that waits already is not added again; a connection over
   * its bound loses it (`lost`). A reply, of which a connection has one at most, is never lost.
   */
  queue: [
    40,
    struct({
      batch: u32,
      messages: list(struct({ domid: u16, kind: word(['event', 'reply']), message: bytes })),
    }),
    struct({ lost: list(u16) }),
  ],
  /** Drops what has been sent since it was asked before, as the ring's producer index tells; answers with what is to be written next. */
  unsent: [41, struct({ domid: u16, producer: u32 }), struct({ next: bytes })],
  /** Replaces what is kept of the request. */
  keepPartial: [43, struct({ domid: u16, bytes, until: u32 }), nothing],
} as const satisfies Operations;

/** Not the same when made twice. */
export const stateChanges = {
  /** Adds or replaces; what the former connection of the domid had is dropped. `limits`: whose it has. `announce`: @introduceDomain, if there was none. */
  introduce: [2, struct({ domid: u16, port: u32, limits: word(limitKinds), announce: flag }), struct(firing)],
  /**
   * Drops the connections of `gone` with their watches, transactions and unsent bytes, and notes that those of `shut` have shut down. Of
   * `strangers`, whose domids the next ones may have, nothing is left: what they owned goes, with everything below; where they were named, nobody
   * is. `announce`: @releaseDomain.
   */
  depart: [3, struct({ gone: list(u16), strangers: list(u16), shut: list(u16), announce: flag }), struct(firing)],
  /** Sets the value (null: as it is, or empty). Nodes that are missing are made, with `create` as their permissions. */
  write: [11, struct({ domid: u16, transaction, path: text, value: nullable(bytes), create: permissions }), changed],
  /** With everything below. */
  remove: [12, struct({ domid: u16, transaction, path: text }), changed],
  setPermissions: [13, struct({ domid: u16, transaction, path: text, permissions }), changed],
  /** Nodes with value and permissions, whatever was there; outside any transaction. Parents come first. */
  make: [16, struct({ domid: u16, nodes: list(struct({ path: text, value: bytes, permissions })) }), struct(firing)],
  watch: [
    20,
    struct({ domid: u16, path: text, token: text, relative: flag }),
    struct({ outcome: word(['ok', 'exists', 'too-many', 'too-much-memory']) }),
  ],
  unwatch: [21, struct({ domid: u16, path: text, token: text }), struct({ known: flag })],
  /** 0: the domain has as many as it may have. */
  transactionStart: [30, struct({ domid: u16 }), struct({ transaction })],
  transactionEnd: [
    31,
    struct({ domid: u16, transaction, commit: flag }),
    struct({
      outcome: word(['ok', 'no-transaction', 'conflict', 'too-many-nodes', 'too-much-memory', 'held']),
      ...firing,
    }),
  ],
} as const satisfies Operations;

export const stateOperations = { ...stateReads, ...stateNotes, ...stateChanges };

/** What a change's message begins with: this number, the change's own number, Logic's context. Its operation follows. */
export const CHANGE = 255;
/** `context`: what Logic needs to answer its client, nothing to State. */
export const changeHeader = struct({ number: u32, context: bytes });
/** A client's whole request and a little more. */
export const CONTEXT_BYTES_MAX = 4200;

/** Pages of State's memory that Logic may write, and State never reads: Logic's notes to whoever starts after it. */
export const JOURNAL_PAGES = 6;

export type StateOperation = keyof typeof stateOperations;
export type StateQuery = keyof typeof stateReads | keyof typeof stateNotes;
export type StateChange = keyof typeof stateChanges;
export type StateRequest<O extends StateOperation> = Decoded<(typeof stateOperations)[O][1]>;
export type StateAnswer<O extends StateOperation> = Decoded<(typeof stateOperations)[O][2]>;

/** Bounds that keep every answer well below the longest frame. */
export const CHILDREN_BYTES_MAX = 4096;
export const WATCHERS_MAX = 16;
export const FIRED_MAX = 8;

/** What State tells of a request that Logic should never make. */
export const REFUSED = 0;

/** A header and a payload. */
export const PARTIAL_BYTES_MAX = 16 + 4096;
