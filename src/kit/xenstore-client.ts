/** The XenStore port over a byte stream: Linux's /dev/xen/xenbus in a VM, a socket on an ordinary host. */

import { encodeMake } from '../wire/xenstore-make.ts';
import { decodeStrings, decodeText, encodeText } from '../wire/xenstore-message.ts';
import { decodePermission, encodePermission } from '../wire/xenstore-permissions.ts';
import { type ByteStream, type Clock, type DomId, PortError } from '../xen/ports.ts';
import type { NewNode, NodePermission, XenStore, XenStoreWriter } from '../xen/xenstore-port.ts';
import { waitForNode } from './xenstore-wait.ts';
import { XenStoreConnection } from './xenstore-wire.ts';

/** After so many conflicts a transaction is given up with EAGAIN. */
const TRANSACTION_TRIES_MAX = 50;
const NO_TRANSACTION = 0;

export const XENBUS_DEVICE = '/dev/xen/xenbus';

export function connectXenStore(stream: ByteStream, clock: Clock): XenStore {
  return new Client(stream, clock);
}

/** What the server's refusal becomes where a missing node is an ordinary answer. */
async function nullIfMissing<T>(request: Promise<T>): Promise<T | null> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof PortError && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Reads and writes, inside one transaction or outside of any. */
class Nodes implements XenStoreWriter {
  constructor(
    protected readonly connection: XenStoreConnection,
    private readonly transactionId: number,
  ) {}

  async read(path: string): Promise<string | null> {
    const value = await nullIfMissing(this.connection.request('read', this.transactionId, [path]));
    return value && decodeText(value);
  }

  async list(path: string): Promise<string[] | null> {
    try {
      const names = await nullIfMissing(this.connection.request('directory', this.transactionId, [path]));
      return names && decodeStrings(names).strings;
    } catch (error) {
      if (error instanceof PortError && error.code === 'E2BIG') return this.listInParts(path);
      throw error;
    }
  }

  async write(path: string, value: string): Promise<void> {
    await this.connection.request('write', this.transactionId, [path], encodeText(value));
  }

  async mkdir(path: string): Promise<void> {
    await this.connection.request('mkdir', this.transactionId, [path]);
  }

  async remove(path: string): Promise<void> {
    await nullIfMissing(this.connection.request('rm', this.transactionId, [path]));
  }

  async setPermissions(path: string, permissions: readonly NodePermission[]): Promise<void> {
    await this.connection.request('setPerms', this.transactionId, [path, ...permissions.map(encodePermission)]);
  }

  async permissions(path: string): Promise<NodePermission[] | null> {
    const payload = await nullIfMissing(this.connection.request('getPerms', this.transactionId, [path]));
    return (
      payload &&
      decodeStrings(payload).strings.map((text) => {
        const permission = decodePermission(text);
        if (!permission) throw new PortError('EIO', 'xenstore getPerms', `${path}: ${text}`);
        return permission;
      })
    );
  }

  /** A directory too large for one message comes in parts; a change of the directory between two parts starts it again. */
  private async listInParts(path: string): Promise<string[] | null> {
    let generation: string | undefined;
    let listed = '';
    while (!listed.endsWith('\0\0')) {
      const offset = String(listed.length);
      const part = await nullIfMissing(this.connection.request('directoryPart', this.transactionId, [path, offset]));
      if (part === null) return null;
      const { strings, tail } = decodeStrings(part, 1);
      const unchanged = generation === undefined || generation === strings[0];
      listed = unchanged ? listed + decodeText(tail) : '';
      generation = unchanged ? strings[0] : undefined;
    }
    return listed.split('\0').slice(0, -2);
  }
}

class Client extends Nodes implements XenStore {
  private readonly watches: Map<string, (path: string) => void>;
  private lastToken = 0;

  constructor(
    stream: ByteStream,
    private readonly clock: Clock,
  ) {
    const watches = new Map<string, (path: string) => void>();
    super(new XenStoreConnection(stream, (path, token) => watches.get(token)?.(path)), NO_TRANSACTION);
    this.watches = watches;
  }

  async watch(path: string, handler: (changed: string) => void): Promise<() => Promise<void>> {
    this.lastToken += 1;
    const token = `ennead-${this.lastToken}`;
    this.watches.set(token, handler);
    try {
      await this.connection.request('watch', NO_TRANSACTION, [path, token]);
    } catch (error) {
      this.watches.delete(token);
      throw error;
    }
    return async () => {
      if (this.watches.delete(token)) await this.connection.request('unwatch', NO_TRANSACTION, [path, token]);
    };
  }

  async transaction<T>(body: (store: XenStoreWriter) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      const started = await this.connection.request('transactionStart', NO_TRANSACTION, ['']);
      const id = Number(decodeStrings(started).strings[0]);
      let result: T;
      try {
        result = await body(new Nodes(this.connection, id));
      } catch (error) {
        await this.connection.request('transactionEnd', id, ['F']);
        throw error;
      }
      try {
        await this.connection.request('transactionEnd', id, ['T']);
        return result;
      } catch (error) {
        const conflict = error instanceof PortError && error.code === 'EAGAIN';
        if (!conflict || tries === TRANSACTION_TRIES_MAX) throw error;
      }
    }
  }

  async make(nodes: readonly NewNode[]): Promise<void> {
    for (const payload of encodeMake(nodes)) await this.connection.request('control', NO_TRANSACTION, [], payload);
  }

  waitFor<T>(path: string, accept: (value: string | null) => T | undefined, timeoutMs: number): Promise<T> {
    return waitForNode(this, this.clock, path, accept, timeoutMs);
  }

  async introduce(domid: DomId, gfn: number, port: number): Promise<void> {
    await this.connection.request('introduce', NO_TRANSACTION, [String(domid), String(gfn), String(port)]);
  }

  async release(domid: DomId): Promise<void> {
    await this.connection.request('release', NO_TRANSACTION, [String(domid)]);
  }

  async control(command: string, ...parameters: readonly string[]): Promise<string> {
    const answer = await this.connection.request('control', NO_TRANSACTION, [command, ...parameters]);
    return decodeStrings(answer).strings.join('');
  }

  close(): void {
    this.connection.close('closed here');
  }
}
