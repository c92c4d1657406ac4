/** What every program begins and ends with. */
import { homeOf } from '../../../src/contracts/xenstore-paths.ts';
import type { DomId } from '../../../src/xen/ports.ts';
import { type Ask, ask, CLIENTS, GUESTS, PRIVILEGED } from './program.ts';

/** Nodes of the privileged domain, by what guests may do with them. */
export const SHARED = { read: '/s/read', write: '/s/write', named: '/s/named', none: '/s/none' } as const;

const [ONE, OTHER, THIRD] = GUESTS;
const make = (path: string, ...permissions: readonly string[]): Ask[] => [
  ask(PRIVILEGED, 'mkdir', [path]),
  ask(PRIVILEGED, 'setPerms', [path, ...permissions]),
];

/** Nothing is left of an earlier program: no node, watch or transaction. */
export const preparation: readonly Ask[] = [
  ...CLIENTS.map((domid) => ask(domid, 'resetWatches', [''])),
  ...['/s', '/local', '/none', '/a', '/tool'].map((path) => ask(PRIVILEGED, 'rm', [path])),
  ask(PRIVILEGED, 'write', ['/']),
  ...['/', '@introduceDomain', '@releaseDomain'].map((path) => ask(PRIVILEGED, 'setPerms', [path, `n${PRIVILEGED}`])),
  ...GUESTS.flatMap((domid) => make(homeOf(domid), `n${domid}`)),
  ...make(SHARED.read, `r${PRIVILEGED}`),
  ...make(SHARED.write, `b${PRIVILEGED}`),
  ...make(SHARED.named, `n${PRIVILEGED}`, `r${ONE}`, `w${OTHER}`, `b${THIRD}`),
  ...make(SHARED.none, `n${PRIVILEGED}`),
];

/** Every transaction is tried to commit: whether that succeeds says what was behind its answers. Then everybody has heard all events. */
export const ending = (started: ReadonlyMap<DomId, number>): readonly Ask[] => [
  ...[...started].flatMap(([domid, count]) =>
    Array.from({ length: count }, (_, transaction) => ask(domid, 'transactionEnd', ['T'], { transaction })),
  ),
  ...CLIENTS.map((domid) => ask(domid, 'getDomainPath', [String(domid)])),
];
