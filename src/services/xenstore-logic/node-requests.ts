/** Requests about nodes: read, list, write, make, remove, permissions. @source docs/misc/xenstore.txt, tools/xenstore/xenstored_core.c */
import { isSpecial } from '../../contracts/xenstore-paths.ts';
import { nodeBytes } from '../../contracts/xenstore-quota.ts';
import type { Permissions, StateAnswer } from '../../contracts/xenstore-state.ts';
import {
  concat,
  decodeStrings,
  type ErrorName,
  encodeStrings,
  PAYLOAD_BYTES_MAX,
} from '../../wire/xenstore-message.ts';
import { decodePermission, encodePermission } from '../../wire/xenstore-permissions.ts';
import { inherited, isAllowed, type Right } from './access.ts';
import { acknowledged, Change } from './changes.ts';
import { limitsOf } from './limits.ts';
import { resolvePath } from './paths.ts';
import { isPrivileged } from './privileges.ts';
import type { Decision, Request, RequestHandler } from './request.ts';

type Look = StateAnswer<'look'> & { readonly path: string };
interface LookFor {
  readonly value?: boolean;
  readonly childrenFrom?: number;
  /** @releaseDomain and its like have permissions, and nothing else. */
  readonly special?: true;
}

/**
 * The node that a request names, or where it would be. A client that has no right at the nearest node learns only that.
 * `missing`: ENOENT for requests that need the node.
 */
function look(request: Request, given: string | undefined, right: Right, what: LookFor = {}): Look | ErrorName {
  const { domid, connection, transaction, state } = request;
  const { value = false, childrenFrom = null, special = false } = what;
  if (given === undefined || (isSpecial(given) && !special)) return 'EINVAL';
  const path = isSpecial(given) ? given : resolvePath(domid, given)?.absolute;
  if (path === undefined) return 'EINVAL';
  const found = state.look({ domid: connection, transaction, path, value, childrenFrom });
  if (found.outcome === 'no-connection') throw new Error(`xenstore-state does not know domain ${connection}`);
  if (found.outcome === 'no-transaction') return 'ENOENT';
  if (!isAllowed({ domid, target: found.target }, path, found.permissions, right)) {
    if (transaction !== 0) state.ask('unsee', { domid: connection, transaction, path });
    return 'EACCES';
  }
  const limits = limitsOf(domid);
  if (transaction !== 0 && limits && found.usage.transactionNodes > limits.transactionNodesMax) return 'ENOSPC';
  return { ...found, path };
}

function existing(request: Request, given: string | undefined, right: Right, what?: LookFor): Look | ErrorName {
  const found = look(request, given, right, what);
  return typeof found === 'string' || found.exact ? found : 'ENOENT';
}

/** The only string of the payload. undefined: there are others, or none. */
function onlyString(payload: Uint8Array): string | undefined {
  const { strings, tail } = decodeStrings(payload);
  return strings.length === 1 && tail.length === 0 ? strings[0] : undefined;
}

export const read: RequestHandler = (request) => {
  const node = existing(request, onlyString(request.payload), 'read', { value: true });
  return typeof node === 'string' ? node : node.value;
};

export const directory: RequestHandler = (request) => {
  const node = existing(request, onlyString(request.payload), 'read', { childrenFrom: 0 });
  if (typeof node === 'string') return node;
  return node.childrenBytes > PAYLOAD_BYTES_MAX ? 'E2BIG' : node.children;
};

/** The generation, whole names from an offset on, and an empty name after the last one. */
export const directoryPart: RequestHandler = (request) => {
  const { strings, tail } = decodeStrings(request.payload);
  const [path, offset] = strings;
  if (strings.length !== 2 || tail.length > 0 || !offset || !/^\d{1,9}$/.test(offset)) return 'EINVAL';
  const from = Number(offset);
  const node = existing(request, path, 'read', { childrenFrom: from });
  if (typeof node === 'string') return node;
  const generation = encodeStrings([String(node.generation)]);
  const room = PAYLOAD_BYTES_MAX - generation.length - 1;
  const left = Math.max(0, node.childrenBytes - from);
  if (left <= room) return concat(generation, concat(node.children.slice(0, left), Uint8Array.of(0)));
  return concat(generation, node.children.slice(0, node.children.lastIndexOf(0, room - 1) + 1));
};

export const getPermissions: RequestHandler = (request) => {
  const node = existing(request, onlyString(request.payload), 'read');
  return typeof node === 'string' ? node : encodeStrings(node.permissions.map(encodePermission));
};

export const write: RequestHandler = (request) => {
  const { strings, tail } = decodeStrings(request.payload, 1);
  const node = look(request, strings[0], 'write');
  if (typeof node === 'string') return node;
  const limits = limitsOf(request.domid);
  if (limits && tail.length > limits.valueBytesMax) return 'ENOSPC';
  return put(request, node, tail);
};

export const mkdir: RequestHandler = (request) => {
  const node = look(request, onlyString(request.payload), 'write');
  if (typeof node === 'string') return node;
  return node.exact ? acknowledged : put(request, node, null);
};

function put(request: Request, { path, exact, permissions, usage }: Look, value: Uint8Array | null): Decision {
  const { domid, connection, transaction } = request;
  const limits = limitsOf(domid);
  if (!exact && limits && usage.nodes >= limits.nodesMax) return 'ENOSPC';
  const bytes = nodeBytes(path, value?.length ?? 0, permissions.length);
  if (limits && usage.memory + bytes > limits.memoryMax) return 'ENOMEM';
  const create = inherited(domid, path, permissions);
  return new Change('write', { domid: connection, transaction, path, value, create });
}

export const remove: RequestHandler = (request) => {
  const node = look(request, onlyString(request.payload), 'write');
  if (typeof node === 'string') return node;
  const { connection, transaction } = request;
  if (node.path === '/') return 'EINVAL';
  if (!node.exact) return node.parentExists ? acknowledged : 'ENOENT';
  return new Change('remove', { domid: connection, transaction, path: node.path });
};

export const setPermissions: RequestHandler = (request) => {
  const { domid, connection, transaction } = request;
  const { strings, tail } = decodeStrings(request.payload);
  const [given, ...texts] = strings;
  const permissions = decodePermissions(texts);
  if (!permissions || tail.length > 0) return 'EINVAL';
  const limits = limitsOf(domid);
  if (limits && permissions.length > limits.permissionsMax) return 'ENOSPC';
  const node = existing(request, given, 'owner', { special: true });
  if (typeof node === 'string') return node;
  const givesAway = permissions[0]?.domid !== node.permissions[0]?.domid;
  if (givesAway && !isPrivileged(domid, node.path)) return 'EPERM';
  return new Change('setPermissions', { domid: connection, transaction, path: node.path, permissions });
};

function decodePermissions(texts: readonly string[]): Permissions | null {
  const decoded = texts.map(decodePermission);
  return decoded.length > 0 && decoded.every((permission) => permission !== null) ? decoded : null;
}
