/** Requests about watches, transactions and domains. @source docs/misc/xenstore.txt, tools/xenstore/xenstored_{watch,transaction,domain}.c */
import { LAST_GUEST_DOMID } from '../../contracts/domids.ts';
import { homeOf } from '../../contracts/xenstore-paths.ts';
import { decodeBinary, decodeStrings, decodeText, encodeStrings } from '../../wire/xenstore-message.ts';
import { acknowledged, Change } from './changes.ts';
import { resolveWatchPath } from './paths.ts';
import type { RequestHandler } from './request.ts';

/** Exactly `count` strings. null: there are others. */
function exactly(payload: Uint8Array, count: number): string[] | null {
  const { strings, tail } = decodeStrings(payload);
  return strings.length === count && tail.length === 0 ? strings : null;
}

/** Numbers in decimal, a domid first. null: something else. */
function numbers(payload: Uint8Array, count: number): number[] | null {
  const values = exactly(payload, count)?.map((text) => (/^\d{1,10}$/.test(text) ? Number(text) : Number.NaN));
  const [domid] = values ?? [];
  return values?.every(Number.isInteger) && domid !== undefined && domid <= LAST_GUEST_DOMID ? values : null;
}

/** A path, and a token: any bytes but NUL (`decodeBinary`). */
function pathAndToken(payload: Uint8Array): readonly [path: string, token: string] | null {
  const pathEnd = payload.indexOf(0);
  const tokenEnd = payload.indexOf(0, pathEnd + 1);
  if (pathEnd < 0 || tokenEnd !== payload.length - 1 || tokenEnd <= pathEnd) return null;
  return [decodeText(payload.subarray(0, pathEnd)), decodeBinary(payload.subarray(pathEnd + 1, tokenEnd))];
}

/** Every watch fires once at once, whether the node is there or not and whoever may read it: see `ownEvent`. */
export const watch: RequestHandler = ({ domid, connection, payload, limits }) => {
  const [given, token] = pathAndToken(payload) ?? [];
  const path = given === undefined ? null : resolveWatchPath(domid, given, limits);
  if (given === undefined || token === undefined || !path) return 'EINVAL';
  const { absolute, relative } = path;
  return new Change('watch', { domid: connection, path: absolute, token, relative });
};

export const unwatch: RequestHandler = ({ domid, connection, payload, limits }) => {
  const [given, token] = pathAndToken(payload) ?? [];
  if (given === undefined || token === undefined) return 'EINVAL';
  // What cannot be watched is not watched.
  const path = resolveWatchPath(domid, given, limits);
  if (!path) return 'ENOENT';
  return new Change('unwatch', { domid: connection, path: path.absolute, token });
};

export const resetWatches: RequestHandler = ({ connection, state }) => {
  state.ask('forget', { domid: connection });
  return acknowledged;
};

export const transactionStart: RequestHandler = ({ connection, transaction }) =>
  transaction === 0 ? new Change('transactionStart', { domid: connection }) : 'EBUSY';

export const transactionEnd: RequestHandler = ({ connection, transaction, payload }) => {
  const [verdict] = exactly(payload, 1) ?? [];
  if (verdict !== 'T' && verdict !== 'F') return 'EINVAL';
  return new Change('transactionEnd', { domid: connection, transaction, commit: verdict === 'T' });
};

export const getDomainPath: RequestHandler = ({ payload }) => {
  const [domid] = numbers(payload, 1) ?? [];
  return domid === undefined ? 'EINVAL' : encodeStrings([homeOf(domid)]);
};

// From here on: for those who may control domains (request-table.ts).

export const introduce: RequestHandler = ({ connection: asker, payload, domains }) => {
  // The second one, the ring's frame, is not needed: the ring is grant 1.
  const [domid, gfn, port] = numbers(payload, 3) ?? [];
  if (domid === undefined || domid === asker || gfn === undefined || !port) return 'EINVAL';
  if (!domains.knows(asker, domid)) return 'EINVAL';
  return domains.introduce(domid, port);
};

export const release: RequestHandler = ({ connection: asker, payload, domains }) => {
  const [domid] = numbers(payload, 1) ?? [];
  if (domid === undefined || domid === asker) return 'EINVAL';
  return domains.knows(asker, domid) ? domains.release(domid) : 'ENOENT';
};

export const resume: RequestHandler = ({ connection: asker, payload, domains, state }) => {
  const [domid] = numbers(payload, 1) ?? [];
  if (domid === undefined) return 'EINVAL';
  return domains.knows(asker, domid) && state.ask('resumed', { domid }).known ? acknowledged : 'ENOENT';
};

export const isDomainIntroduced: RequestHandler = ({ payload, domains }) => {
  const [domid] = numbers(payload, 1) ?? [];
  return domid === undefined ? 'EINVAL' : encodeStrings([domains.isIntroduced(domid) ? 'T' : 'F']);
};

export const setTarget: RequestHandler = ({ connection: asker, payload, domains, state }) => {
  const [domid, target] = numbers(payload, 2) ?? [];
  if (domid === undefined || target === undefined || target > LAST_GUEST_DOMID) return 'EINVAL';
  if (![domid, target].every((one) => domains.knows(asker, one))) return 'ENOENT';
  return state.ask('setTarget', { domid, target }).known ? acknowledged : 'ENOENT';
};
