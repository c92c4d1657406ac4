/** The store as an operator sees and changes it through Toolstack: with Toolstack's own rights, and no more. */
import type { StoreNode, StoreTreePart } from '../../contracts/toolstack.ts';
import { RpcError } from '../../kit/rpc.ts';
import { decodePermission, encodePermission } from '../../wire/xenstore-permissions.ts';
import { PortError } from '../../xen/ports.ts';
import type { NodePermission, XenStore } from '../../xen/xenstore-port.ts';

/** Of a tree, in one answer: then follows no further node. Under emulation each takes milliseconds, and somebody waits for the first ones. */
const PART_BYTES = 8 * 1024;
/** A node in its answer, beside its value: names, quotes, permissions. */
const NODE_BYTES = 128;
const SESSION_WATCHES_MAX = 16;

type Permissions = readonly string[];

export class StoreAccess {
  private readonly watches: (() => Promise<void>)[] = [];
  private walk: AsyncGenerator<StoreNode, void> | null = null;
  private asking = 0;
  private closed = false;

  /** `changed`: a watch of this session has fired. */
  constructor(
    private readonly store: XenStore,
    private readonly changed: (path: string) => void,
  ) {}

  async read(path: string): Promise<string> {
    return present(path, await asked(path, this.store.read(path)));
  }

  async list(path: string): Promise<string[]> {
    return present(path, await asked(path, this.store.list(path)));
  }

  /** Everything below `path`, parents before their children, in parts. `further`: the next one of what this session has begun. */
  async tree(path: string, further: boolean): Promise<StoreTreePart> {
    if (!further) {
      await this.list(path);
      this.walk = this.below(path);
    }
    const nodes: StoreNode[] = [];
    for (let bytes = 0; bytes < PART_BYTES; ) {
      const { value: node } = (await this.walk?.next()) ?? {};
      if (!node) return { nodes, more: false };
      bytes += NODE_BYTES + node.path.length + JSON.stringify(node.value).length;
      nodes.push(node);
    }
    return { nodes, more: true };
  }

  write(path: string, value: string): Promise<void> {
    return asked(path, this.store.write(path, value));
  }

  remove(path: string): Promise<void> {
    return asked(path, this.store.remove(path));
  }

  async protect(path: string, permissions: Permissions, everythingBelow: boolean): Promise<void> {
    const decoded = permissions.map(decodePermission);
    if (!decoded.every((permission): permission is NodePermission => permission !== null))
      throw new RpcError(
        'bad-config',
        `${permissions.join(' ')} are no permissions: a letter of n, r, w, b and a domid each`,
      );
    const change = (each: string): Promise<void> => asked(each, this.store.setPermissions(each, decoded));
    await change(path);
    if (everythingBelow) for await (const node of this.below(path)) await change(node.path);
  }

  async watch(path: string): Promise<void> {
    if (this.watches.length + this.asking >= SESSION_WATCHES_MAX)
      throw new RpcError('busy', `a session watches at most ${SESSION_WATCHES_MAX} paths`);
    this.asking += 1;
    try {
      this.watches.push(await asked(path, this.store.watch(path, this.changed)));
    } finally {
      this.asking -= 1;
    }
    // The session may have ended meanwhile.
    if (this.closed) this.close();
  }

  private async *below(parent: string): AsyncGenerator<StoreNode, void> {
    for (const name of (await asked(parent, this.store.list(parent))) ?? []) {
      const path = `${parent === '/' ? '' : parent}/${name}`;
      const value = await asked(path, this.store.read(path));
      const permissions = await asked(path, this.store.permissions(path));
      // It went between two looks.
      if (value === null || permissions === null) continue;
      yield { path, value, permissions: permissions.map(encodePermission) };
      yield* this.below(path);
    }
  }

  /** What the session has begun. */
  close(): void {
    this.closed = true;
    for (const unwatch of this.watches.splice(0)) unwatch().catch(() => undefined);
  }
}

function present<T>(path: string, found: T | null): T {
  if (found === null) throw new RpcError('no-node', `there is no node ${path}`);
  return found;
}

/** XenStore-Logic's refusal in the operator's words. */
async function asked<T>(path: string, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (!(error instanceof PortError)) throw error;
    if (error.code === 'ENOENT') throw new RpcError('no-node', `there is no node ${path}`);
    if (error.code === 'EACCES' || error.code === 'EPERM')
      throw new RpcError('not-allowed', `XenStore does not let Toolstack do that to ${path}`);
    if (error.code === 'EINVAL')
      throw new RpcError('bad-config', `${path} is no path of XenStore, or cannot be changed`);
    throw new RpcError('refused', `${path}: XenStore says ${error.code}`);
  }
}
