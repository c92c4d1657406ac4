/** XS_CONTROL: what a domain that Ennead trusts may ask of the server itself, as a command and its arguments. */

import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../contracts/domids.ts';
import { isWithinBounds, type Limits, limitNames } from '../../contracts/xenstore-limits.ts';
import { isSpecial } from '../../contracts/xenstore-paths.ts';
import {
  encodeDomids,
  encodeLimits,
  encodeQuota,
  encodeSoftLimits,
  limitNamed,
} from '../../contracts/xenstore-quota.ts';
import { decodeMake, MAKE } from '../../wire/xenstore-make.ts';
import {
  decodeStrings,
  type ErrorName,
  encodeStrings,
  encodeText,
  PAYLOAD_BYTES_MAX,
} from '../../wire/xenstore-message.ts';
import { domidsOf, withoutAbsent } from './access.ts';
import { acknowledged, Change } from './changes.ts';
import { absolutePath } from './paths.ts';
import { isPrivileged, mayControl, mayCount, maySetLimits } from './privileges.ts';
import type { Decision, Request, RequestHandler } from './request.ts';
import type { StateClient } from './state-client.ts';

/** For those whom Ennead trusts (request-table.ts). */
export const control: RequestHandler = (request) => {
  const [command] = decodeStrings(request.payload, 1).strings;
  const [, , handle] = commands.find(([name]) => name === command) ?? [];
  return handle?.(request) ?? 'EINVAL';
};

/** All of the nodes or none: only for who acts as the owner of each. */
const makeNodes: RequestHandler = ({ domid, connection, transaction, payload, domains, limits }) => {
  const given = decodeMake(payload);
  if (!given || transaction !== 0) return 'EINVAL';
  const absent = domains.absent(given.flatMap(({ permissions }) => domidsOf(permissions)));
  const nodes = [];
  for (const { path, value, permissions: asked } of given) {
    const resolved = isSpecial(path) ? null : absolutePath(domid, path, limits);
    if (resolved === null) return 'EINVAL';
    if (!isPrivileged(domid, resolved)) return 'EACCES';
    const permissions = withoutAbsent(asked, absent);
    if (!permissions) return 'ENOENT';
    nodes.push({ path: resolved, value: encodeText(value), permissions });
  }
  return new Change('make', { domid: connection, nodes });
};

/** As xenstored's: what guests may use; with a domid, what that domain uses; with `set`, what guests may use from now on. */
const quota: RequestHandler = (request) => {
  if (!mayCount(request.domid)) return 'EACCES';
  const [, asked, ...more] = decodeStrings(request.payload).strings;
  if (asked === undefined) return answer(encodeLimits(limitsIn(request.state)));
  if (asked === 'set') return setLimit('quota', request, more);
  if (more.length > 0) return 'EINVAL';
  const counts = request.state.ask('counts', {}).domains.find(({ domid }) => String(domid) === asked);
  return counts ? answer(encodeQuota(counts)) : 'ENOENT';
};

/** As xenstored's: what is only warned of. */
const quotaSoft: RequestHandler = (request) => {
  if (!mayCount(request.domid)) return 'EACCES';
  const [, asked, ...more] = decodeStrings(request.payload).strings;
  if (asked === undefined) return answer(encodeSoftLimits(limitsIn(request.state)));
  return asked === 'set' ? setLimit('quota-soft', request, more) : 'EINVAL';
};

function limitsIn(state: StateClient): Limits {
  const { values } = state.ask('limits', {});
  return Object.fromEntries(limitNames.map((name, at) => [name, values[at]])) as Limits;
}

function setLimit(command: 'quota' | 'quota-soft', { domid, state }: Request, given: readonly string[]): Decision {
  if (!maySetLimits(domid)) return 'EACCES';
  const [called = '', digits = '', ...more] = given;
  const name = limitNamed(command, called);
  const value = /^\d{1,9}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!name || more.length > 0 || !isWithinBounds(name, value)) return 'EINVAL';
  state.ask('setLimit', { name, value });
  return acknowledged;
}

/** Of every domain with a connection or anything else in the store. */
const domids: RequestHandler = ({ domid: asker, state }) => {
  if (!mayCount(asker)) return 'EACCES';
  return answer(encodeDomids(state.ask('counts', {}).domains.map(({ domid }) => domid)));
};

/** Of XenStore's own two programs, which have no node to count in: how often the one in this domain was started. */
const starts: RequestHandler = ({ domid: asker, payload, state }) => {
  if (!mayControl(asker)) return 'EACCES';
  const [, asked, ...more] = decodeStrings(payload).strings;
  const counted = state.ask('starts', {});
  if (more.length > 0) return 'EINVAL';
  if (asked === String(XENSTORE_STATE_DOMID)) return encodeStrings([String(counted.state)]);
  return asked === String(XENSTORE_LOGIC_DOMID) ? encodeStrings([String(counted.logic)]) : 'EINVAL';
};

const help: RequestHandler = ({ payload }) =>
  decodeStrings(payload).strings.length > 1
    ? 'EINVAL'
    : answer(commands.map(([name, parameters]) => `${name}\t${parameters}\n`).join(''));

function answer(text: string): Uint8Array | ErrorName {
  const payload = encodeStrings([text]);
  return payload.length > PAYLOAD_BYTES_MAX ? 'E2BIG' : payload;
}

/** With what `help` says of their parameters. */
const commands: readonly (readonly [name: string, parameters: string, RequestHandler])[] = [
  ['domids', '', domids],
  [MAKE, '<nodes>', makeNodes],
  ['quota', '[set <name> <val>|<domid>]', quota],
  ['quota-soft', '[set <name> <val>]', quotaSoft],
  ['starts', '<domid>', starts],
  ['help', '', help],
];
