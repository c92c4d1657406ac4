/** What the parts of the XenStore benchmark agree on: which servers, what is measured, and the nodes by which conductor and clients meet. */
import { BUILDER_DOMID, FIRST_GUEST_DOMID } from '../../src/contracts/domids.ts';
import type { DomId } from '../../src/xen/ports.ts';

/** What the others are compared with. */
export const REFERENCE = 'xenstored';
export const servers = [REFERENCE, 'oxenstored', 'ennead', 'ennead-without-reset'] as const;
export type Server = (typeof servers)[number];

export const isEnnead = (server: Server): server is 'ennead' | 'ennead-without-reset' => server.startsWith('ennead');

export const operations = ['read', 'write', 'directory', 'transaction', 'watch'] as const;
export type Operation = (typeof operations)[number];

/** The first phase is not measured: every client makes its nodes. */
export const PREPARATION = 'prepare';

/** With Ennead's XenStore the conductor is a VM in Builder's place: the one that Logic lets make nodes for others. */
export const CONDUCTOR_DOMID: DomId = BUILDER_DOMID;

export const clientDomids = (count: number): DomId[] => Array.from({ length: count }, (_, n) => FIRST_GUEST_DOMID + n);

/** What all clients watch. A new value starts them all. */
export const PHASE_NODE = '/bench/phase';
/** With `LISTED_NODES` children. */
export const LIST_NODE = '/bench/list';
export const LISTED_NODES = 100;

/** In a client's home. */
export const clientNodes = { value: 'bench/value', watched: 'bench/watched', report: 'bench/report' } as const;

export interface Phase {
  readonly operation: Operation | typeof PREPARATION;
  readonly durationMs: number;
}

/** A client's word that it has ended a phase. Its length is bounded by what a guest may write: 2048 bytes. */
export interface Report extends Phase {
  /** The latencies, as histogram.ts has them. */
  readonly latencies: readonly number[];
}

/** Of all clients together. */
export interface Result {
  readonly operation: Operation;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the server's domains for one operation. */
  readonly serverMs: number;
  /** Of the client's domain. */
  readonly clientMs: number;
}

/** The line in the serial log that holds a result. It is short: Xen cuts a long line of domain 0 into pieces. */
const RESULT = /\bresult (\[.*\])/;
export const DONE = 'all measured';

export const encodeResult = ({ operation, perSecond, p50Ms, p99Ms, serverMs, clientMs }: Result): string =>
  `result ["${operation}",${[perSecond, p50Ms, p99Ms, serverMs, clientMs].map((value) => value.toPrecision(4))}]`;

/** null: another line. */
export function decodeResult(line: string): Result | null {
  const [, text] = RESULT.exec(line) ?? [];
  if (text === undefined) return null;
  const [operation, perSecond, p50Ms, p99Ms, serverMs, clientMs] = JSON.parse(text);
  return { operation, perSecond, p50Ms, p99Ms, serverMs, clientMs };
}
