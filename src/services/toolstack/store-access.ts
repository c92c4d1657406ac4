/** The store as an operator sees and changes it through Toolstack: with Toolstack's own rights, and no more. */
import type { StoreNode } from '../../contracts/toolstack.ts';
import { RpcError } from '../../kit/rpc.ts';
import { decodePermission, encodePermission } from '../../wire/xenstore-permissions.ts';
import { PortError } from '../../xen/ports.ts';
import type { NodePermission, XenStore } from '../../xen/xenstore-port.ts';

/** Of one answer, which has to fit into a message. */
const TREE_BYTES_MAX = 128 * 1024;
/** A node in its answer, beside its value: names, quotes, permissions. */
const NODE_BYTES = 128;
const SESSION_WATCHES_MAX = 16;

type Permissions = readonly string[];

export class StoreAccess {
  private readonly watches: (() => Promise<void>)[] = [];
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

  /** Everything below `path`, parents before their children. */
  async tree(path: string): Promise<StoreNode[]> {
    const nodes: StoreNode[] = [];
    let bytes = 0;
    const visit = async (parent: string): Promise<void> => {
      for (const name of (await asked(parent, this.store.list(parent))) ?? []) {
        const child = `${parent === '/' ? '' : parent}/${name}`;
        const value = await asked(child, this.store.read(child));
        const permissions = await asked(child, this.store.permissions(child));
        // It went between two looks.
        if (value === null || permissions === null) continue;
        bytes += NODE_BYTES + child.length + JSON.stringify(value).length;
        if (bytes > TREE_BYTES_MAX)
          throw new RpcError('too-large', `there is too much below ${path}; name a deeper path`);
        nodes.push({ path: child, value, permissions: permissions.map(encodePermission) });
        await visit(child);
      }
    };
    await this.list(path);
    await visit(path);
    return nodes;
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
    const paths = [path, ...(everythingBelow ? (await this.tree(path)).map((node) => node.path) : [])];
    for (const each of paths) await asked(each, this.store.setPermissions(each, decoded));
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
