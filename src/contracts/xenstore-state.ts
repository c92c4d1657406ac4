/**
 * XenStore-Logic ↔ XenStore-State: one request, one answer, in order, framed (src/wire/frame.ts) on State's store page. Logic asks, State never
 * speaks first. State keeps nodes, transactions, watches, connections and their unsent bytes; what a domain may do is Logic's affair.
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

/** Words of the page after Xen's structure: the number of a port that its owner opened for the other, 0 for none. */
export const STATE_PORT_OFFSET = RING_STRUCTURE_BYTES + 20;
export const LOGIC_PORT_OFFSET = STATE_PORT_OFFSET + 4;
/** Logic's own: not 0 while it waits for an answer. What it finds there when it asks was cut short. */
export const WAITING_OFFSET = LOGIC_PORT_OFFSET + 4;

export const permission = struct({ domid: u16, access: word(['none', 'read', 'write', 'both']) });
/** The owner first; never empty. */
export const permissions = list(permission);
export type Permissions = Decoded<typeof permissions>;

/** 0: none. */
const transaction = u32;

/** How much of the limits a connection's domain uses. */
export const usage = struct({ nodes: u32, transactionNodes: u32 });
export type Usage = Decoded<typeof usage>;

export const watcher = struct({ domid: u16, target: nullable(u16), token: text, relative: flag });
/** One watch event in the making: whoever may read under one of `readableBy` is told. */
export const fired = struct({ path: text, readableBy: list(permissions), watchers: list(watcher) });
export type Fired = Decoded<typeof fired>;

const connection = struct({ domid: u16, port: u32, target: nullable(u16) });
export type ConnectionRecord = Decoded<typeof connection>;

/** How much a domain has in the store. */
const counts = struct({ domid: u16, nodes: u32, watches: u32, transactions: u32 });

const nothing = struct({});
/** `more`: State holds further ones back, for `firedNext`. One has at most WATCHERS_MAX watchers. */
const firing = { fired: list(fired), more: flag };
/** A change's answer. In a transaction nothing is fired before its end. */
const changed = struct({ outcome: word(['ok', 'no-transaction']), ...firing });

/** operation → [number on the wire, request, answer] */
export const stateOperations = {
  /** The registry. */
  connections: [1, nothing, struct({ connections: list(connection) })],
  /** Grants of the pages that Logic may read, in their order (xenstore-contents.ts). */
  contents: [6, nothing, struct({ refs: list(u32) })],
  /** Adds or replaces; what the former connection of the domid had is dropped. */
  introduce: [2, struct({ domid: u16, port: u32 }), nothing],
  /** Drops the connection with its watches, transactions and unsent bytes. */
  release: [3, struct({ domid: u16 }), struct({ known: flag })],
  setTarget: [4, struct({ domid: u16, target: u16 }), struct({ known: flag })],
  /** Every domain with a connection or anything else in the store, in the order of domids. */
  counts: [5, nothing, struct({ domains: list(counts) })],
  /**
   * The node at `path`, or the nearest one above it. A transaction remembers what it looked at.
   * `childrenFrom`: an offset in the children's names, each followed by a NUL; at most CHILDREN_BYTES_MAX of them are answered.
   */
  look: [
    10,
    struct({ domid: u16, transaction, path: text, value: flag, childrenFrom: nullable(u32) }),
    struct({
      outcome: word(['ok', 'no-connection', 'no-transaction']),
      target: nullable(u16),
      usage,
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
  /** Sets the value (null: as it is, or empty). Nodes that are missing are made, with `create` as their permissions. */
  write: [11, struct({ domid: u16, transaction, path: text, value: nullable(bytes), create: permissions }), changed],
  /** With everything below. */
  remove: [12, struct({ domid: u16, transaction, path: text }), changed],
  setPermissions: [13, struct({ domid: u16, transaction, path: text, permissions }), changed],
  /** Who watches a special path such as @releaseDomain. */
  special: [14, struct({ path: text }), struct(firing)],
  /** Nodes with value and permissions, whatever was there; outside any transaction. Parents come first. */
  make: [16, struct({ domid: u16, nodes: list(struct({ path: text, value: bytes, permissions })) }), struct(firing)],
  /** What the last change has fired beyond its answer. */
  firedNext: [15, nothing, struct(firing)],
  /** `watchesMax`: how many the domain may have, null for any number. */
  watch: [
    20,
    struct({ domid: u16, path: text, token: text, relative: flag, watchesMax: nullable(u32) }),
    struct({ outcome: word(['ok', 'exists', 'too-many']) }),
  ],
  unwatch: [21, struct({ domid: u16, path: text, token: text }), struct({ known: flag })],
  /** Watches and transactions of the domain. */
  forget: [22, struct({ domid: u16 }), nothing],
  /** 0: the domain has `transactionsMax` already. */
  transactionStart: [30, struct({ domid: u16, transactionsMax: nullable(u32) }), struct({ transaction })],
  /** Whether the domain has it. */
  transactionKnown: [32, struct({ domid: u16, transaction }), struct({ known: flag })],
  /** `nodesMax`: how many nodes the domain may own afterwards, null for any number. */
  transactionEnd: [
    31,
    struct({ domid: u16, transaction, commit: flag, nodesMax: nullable(u32) }),
    struct({ outcome: word(['ok', 'no-transaction', 'conflict', 'too-many-nodes']), ...firing }),
  ],
  /**
   * Adds unsent messages. An event that waits already is not added again; a connection over its bound loses it (`lost`). A reply, of
   * which a connection has one at most, is never lost.
   */
  queue: [
    40,
    struct({ messages: list(struct({ domid: u16, kind: word(['event', 'reply']), message: bytes })) }),
    struct({ lost: list(u16) }),
  ],
  /** Drops `sent` bytes of what is unsent, answers with the next ones. */
  unsent: [41, struct({ domid: u16, sent: u32 }), struct({ next: bytes })],
  /** A request larger than the ring: appends to what has come of it, answers with all of it. `last` forgets it afterwards. */
  partial: [42, struct({ domid: u16, more: bytes, last: flag }), struct({ whole: bytes })],
} as const satisfies Record<string, readonly [number, Codec<unknown>, Codec<unknown>]>;

export type StateOperation = keyof typeof stateOperations;
export type StateRequest<O extends StateOperation> = Decoded<(typeof stateOperations)[O][1]>;
export type StateAnswer<O extends StateOperation> = Decoded<(typeof stateOperations)[O][2]>;

/** Bounds that keep every answer well below the longest frame. */
export const CHILDREN_BYTES_MAX = 4096;
export const WATCHERS_MAX = 16;
export const FIRED_MAX = 8;

/** What State tells of a request that Logic should never make. */
export const REFUSED = 0;

/** At most so many bytes of unsent messages for one connection. */
export const UNSENT_BYTES_MAX = 64 * 1024;
/** A header and a payload. */
export const PARTIAL_BYTES_MAX = 16 + 4096;
