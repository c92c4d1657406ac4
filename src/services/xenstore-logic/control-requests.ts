/** XS_CONTROL: what a domain that Ennead trusts may ask of the server itself, as a command and its arguments. */

import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../contracts/domids.ts';
import { isSpecial } from '../../contracts/xenstore-paths.ts';
import { encodeDomids, encodeQuota } from '../../contracts/xenstore-quota.ts';
import { decodeMake, MAKE } from '../../wire/xenstore-make.ts';
import {
  decodeStrings,
  type ErrorName,
  encodeStrings,
  encodeText,
  PAYLOAD_BYTES_MAX,
} from '../../wire/xenstore-message.ts';
import { domidsOf, withoutAbsent } from './access.ts';
import { Change } from './changes.ts';
import { absolutePath } from './paths.ts';
import { isPrivileged, isTrusted, mayControl, mayCount } from './privileges.ts';
import type { RequestHandler } from './request.ts';

export const control: RequestHandler = (request) => {
  if (!isTrusted(request.domid)) return 'EACCES';
  const [command = ''] = decodeStrings(request.payload, 1).strings;
  return commands.get(command)?.(request) ?? 'EINVAL';
};

/** All of the nodes or none: only for who acts as the owner of each. */
const makeNodes: RequestHandler = ({ domid, connection, transaction, payload, domains }) => {
  const given = decodeMake(payload);
  if (!given || transaction !== 0) return 'EINVAL';
  const absent = domains.absent(given.flatMap(({ permissions }) => domidsOf(permissions)));
  const nodes = [];
  for (const { path, value, permissions: asked } of given) {
    const resolved = isSpecial(path) ? null : absolutePath(domid, path);
    if (resolved === null) return 'EINVAL';
    if (!isPrivileged(domid, resolved)) return 'EACCES';
    const permissions = withoutAbsent(asked, absent);
    if (!permissions) return 'ENOENT';
    nodes.push({ path: resolved, value: encodeText(value), permissions });
  }
  return new Change('make', { domid: connection, nodes });
};

/** As xenstored's: with a domid what that domain uses, without one the domids. It changes nothing. */
const quota: RequestHandler = ({ domid: asker, payload, state }) => {
  if (!mayCount(asker)) return 'EACCES';
  const [, asked, ...more] = decodeStrings(payload).strings;
  if (more.length > 0) return 'EINVAL';
  const { domains } = state.ask('counts', {});
  if (asked === undefined) return answerIfShort(encodeDomids(domains.map(({ domid }) => domid)));
  const counts = domains.find(({ domid }) => String(domid) === asked);
  return counts ? answerIfShort(encodeQuota(counts)) : 'ENOENT';
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

function answerIfShort(text: string): Uint8Array | ErrorName {
  const answer = encodeStrings([text]);
  return answer.length > PAYLOAD_BYTES_MAX ? 'E2BIG' : answer;
}

const commands: ReadonlyMap<string, RequestHandler> = new Map([
  [MAKE, makeNodes],
  ['quota', quota],
  ['starts', starts],
]);
