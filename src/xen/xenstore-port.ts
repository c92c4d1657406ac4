import type { DomId } from './ports.ts';

/** XenStore as its clients see it. `null` stands for a node that is not there; every other refusal throws a `PortError` (EACCES, EQUOTA…). */
export interface XenStoreReader {
  read(path: string): Promise<string | null>;
  list(path: string): Promise<string[] | null>;
}

/** `owner`'s domid first, as on the wire: n/r/w/b. */
export interface NodePermission {
  readonly domid: DomId;
  readonly access: 'none' | 'read' | 'write' | 'both';
}

/** A node to be made: with this value and these permissions, whatever was there. */
export interface NewNode {
  readonly path: string;
  readonly value: string;
  readonly permissions: readonly NodePermission[];
}

export interface XenStoreWriter extends XenStoreReader {
  write(path: string, value: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  /** A node that is not there is no error. */
  remove(path: string): Promise<void>;
  setPermissions(path: string, permissions: readonly NodePermission[]): Promise<void>;
  permissions(path: string): Promise<NodePermission[] | null>;
}

export interface XenStore extends XenStoreWriter {
  /** Fires once at once, then for every change below `path`; the handler is told the changed path. Resolves to the function that ends it. */
  watch(path: string, handler: (changed: string) => void): Promise<() => Promise<void>>;
  /** Runs `body` in a transaction, again after EAGAIN (a bounded number of times); an exception aborts it. */
  transaction<T>(body: (store: XenStoreWriter) => Promise<T>): Promise<T>;
  /**
   * Makes nodes, parents before their children: for domains that act as the owner of all of them, others get EACCES. Many nodes take several
   * messages, and other clients may look in between: what makes somebody act comes last.
   */
  make(nodes: readonly NewNode[]): Promise<void>;
  /** Waits until `accept` answers something other than undefined; rejects with PortError ETIMEDOUT. No polling: it watches. */
  waitFor<T>(path: string, accept: (value: string | null) => T | undefined, timeoutMs: number): Promise<T>;
  introduce(domid: DomId, gfn: number, port: number): Promise<void>;
  release(domid: DomId): Promise<void>;
  /** A command to the server itself, and what it says. */
  control(command: string, ...parameters: readonly string[]): Promise<string>;
  close(): void;
}
