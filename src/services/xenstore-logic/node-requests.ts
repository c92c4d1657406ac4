/** Requests about nodes: read, list, write, make, remove, permissions. @source docs/misc/xenstore.txt, tools/xenstore/xenstored_core.c */
import { isSpecial } from '../../contracts/xenstore-paths.ts';
import type { Permissions, StateAnswer } from '../../contracts/xenstore-state.ts';
import {
  concat,
  decodeStrings,
  decodeText,
  type ErrorName,
  encodeStrings,
  PAYLOAD_BYTES_MAX,
} from '../../wire/xenstore-message.ts';
import { decodePermission, encodePermission } from '../../wire/xenstore-permissions.ts';
import { domidsOf, inherited, isAllowed, type Right, told, withoutAbsent } from './access.ts';
import { acknowledged, Change, refusals } from './changes.ts';
import { absolutePath } from './paths.ts';
import { isPrivileged } from './privileges.ts';
import type { Decision, Request, RequestHandler } from './request.ts';

interface Look {
  readonly path: string;
  readonly node: StateAnswer<'look'>;
}
interface LookFor {
  readonly value?: boolean;
  readonly childrenFrom?: number;
  /** @releaseDomain and its like have permissions, and nothing else. */
  readonly special?: true;
}
const NOTHING_MORE: LookFor = {};
const WITH_VALUE: LookFor = { value: true };
const WITH_CHILDREN: LookFor = { childrenFrom: 0 };

/** The node that a request names, or where it would be. A client that has no right at the nearest node learns only that. */
function look(
  request: Request,
  given: string | undefined,
  right: Right,
  what: LookFor = NOTHING_MORE,
): Look | ErrorName {
  const { domid, connection, transaction, at, state } = request;
  const path = given === undefined ? null : named(request, given, what);
  if (path === null) return 'EINVAL';
  const node = state.look({
    domid: connection,
    transaction,
    at,
    path,
    value: what.value ?? false,
    childrenFrom: what.childrenFrom ?? null,
  });
  if (node.outcome === 'no-connection') throw new Error(`xenstore-state does not know domain ${connection}`);
  if (node.outcome !== 'ok') return refusals[node.outcome];
  // Nobody owns what is not there: who may make it may know that.
  const needed = right === 'owner' && !node.exact ? 'write' : right;
  if (!isAllowed(domid, node, path, node.permissions, needed)) {
    if (transaction !== 0) state.ask('unsee', { domid: connection, transaction, path });
    return 'EACCES';
  }
  return { path, node };
}

function named({ domid, limits }: Request, given: string, { special }: LookFor): string | null {
  if (isSpecial(given)) return special ? given : null;
  return absolutePath(domid, given, limits);
}

function existing(request: Request, given: string | undefined, right: Right, what?: LookFor): Look | ErrorName {
  const found = look(request, given, right, what);
  return typeof found === 'string' || found.node.exact ? found : 'ENOENT';
}

/** The only string of the payload. undefined: there are others, or none. */
function onlyString(payload: Uint8Array): string | undefined {
  const end = payload.length - 1;
  return end >= 0 && payload.indexOf(0) === end ? decodeText(payload.subarray(0, end)) : undefined;
}

export const read: RequestHandler = (request) => {
  const found = existing(request, onlyString(request.payload), 'read', WITH_VALUE);
  return typeof found === 'string' ? found : found.node.value;
};

export const directory: RequestHandler = (request) => {
  const found = existing(request, onlyString(request.payload), 'read', WITH_CHILDREN);
  if (typeof found === 'string') return found;
  return found.node.childrenBytes > PAYLOAD_BYTES_MAX ? 'E2BIG' : found.node.children;
};

/** The generation, whole names from an offset on, and an empty name after the last one. */
export const directoryPart: RequestHandler = (request) => {
  const { strings, tail } = decodeStrings(request.payload);
  const [path, offset] = strings;
  if (strings.length !== 2 || tail.length > 0 || !offset || !/^\d{1,9}$/.test(offset)) return 'EINVAL';
  const from = Number(offset);
  const found = existing(request, path, 'read', { childrenFrom: from });
  if (typeof found === 'string') return found;
  const { node } = found;
  const generation = encodeStrings([String(node.generation)]);
  const room = PAYLOAD_BYTES_MAX - generation.length - 1;
  const left = Math.max(0, node.childrenBytes - from);
  if (left <= room) return concat(generation, concat(node.children.slice(0, left), Uint8Array.of(0)));
  return concat(generation, node.children.slice(0, node.children.lastIndexOf(0, room - 1) + 1));
};

export const getPermissions: RequestHandler = (request) => {
  const found = existing(request, onlyString(request.payload), 'read');
  return typeof found === 'string' ? found : encodeStrings(told(found.node.permissions).map(encodePermission));
};

export const write: RequestHandler = (request) => {
  const { strings, tail } = decodeStrings(request.payload, 1);
  const found = look(request, strings[0], 'write');
  if (typeof found === 'string') return found;
  if (tail.length > request.limits.maxOf(request.domid, 'node-size')) return 'ENOSPC';
  return put(request, found, tail);
};

export const mkdir: RequestHandler = (request) => {
  const found = look(request, onlyString(request.payload), 'write');
  if (typeof found === 'string') return found;
  return found.node.exact ? acknowledged : put(request, found, null);
};

function put(request: Request, { path, node }: Look, value: Uint8Array | null): Decision {
  const { domid, connection, transaction } = request;
  const create = inherited(domid, path, node.permissions);
  return new Change('write', { domid: connection, transaction, path, value, create });
}

export const remove: RequestHandler = (request) => {
  const found = look(request, onlyString(request.payload), 'write');
  if (typeof found === 'string') return found;
  const { path, node } = found;
  const { connection, transaction } = request;
  if (path === '/') return 'EINVAL';
  if (!node.exact) return node.parentExists ? acknowledged : 'ENOENT';
  return new Change('remove', { domid: connection, transaction, path });
};

export const setPermissions: RequestHandler = (request) => {
  const { domid, connection, transaction, domains } = request;
  const { strings, tail } = decodeStrings(request.payload);
  const [given, ...texts] = strings;
  if (texts.length > request.limits.maxOf(domid, 'permissions')) return 'ENOSPC';
  const asked = decodePermissions(texts);
  if (!asked || tail.length > 0) return 'EINVAL';
  const permissions = withoutAbsent(asked, domains.absent(domidsOf(asked)));
  if (!permissions) return 'ENOENT';
  const found = existing(request, given, 'owner', { special: true });
  if (typeof found === 'string') return found;
  const { path, node } = found;
  const givesAway = permissions[0]?.domid !== node.permissions[0]?.domid;
  if (givesAway && !isPrivileged(domid, path)) return 'EPERM';
  return new Change('setPermissions', { domid: connection, transaction, path, permissions });
};

function decodePermissions(texts: readonly string[]): Permissions | null {
  const decoded = texts.map(decodePermission);
  return decoded.length > 0 && decoded.every((permission) => permission !== null) ? decoded : null;
}
