/**
 * How XenStore counts what a domain has, and what XenStore-Logic answers to XS_CONTROL `quota`, `quota-soft` and `domids`, which Toolstack asks.
 * The first two in xenstored's form.
 * @source Xen tools/xenstore/xenstored_domain.c (domain_get_quota), xenstored_control.c (quota_show_current)
 */
import { type LimitName, type Limits, limitNames, limits } from './xenstore-limits.ts';

export interface DomainQuota {
  readonly domid: number;
  readonly nodes: number;
  readonly watches: number;
  readonly transactions: number;
  /** Requests whose answer has not gone out yet. */
  readonly outstanding: number;
  /** Bytes of nodes, watches, open transactions and of what is on its way, as `nodeBytes` and its like count them. */
  readonly memory: number;
  /** Bytes of messages for which its ring had no room. */
  readonly events: number;
}

/** What a thing takes beside its text, in the measure of the text: State's memory is BYTES_PER_COUNTED of xenstore-limits.ts times as much. */
const OVERHEAD_BYTES = 128;
/** Of a path: the whole of it, and its last part among its parent's children. */
const PATH_TIMES = 2;
const PERMISSION_BYTES = 32;
export const nodeBytes = (path: string, valueBytes: number, permissions: number): number =>
  OVERHEAD_BYTES + PATH_TIMES * path.length + valueBytes + PERMISSION_BYTES * permissions;
export const watchBytes = (path: string, token: string): number =>
  OVERHEAD_BYTES + PATH_TIMES * path.length + token.length;
export const TRANSACTION_BYTES = OVERHEAD_BYTES;
/** A node's name in a transaction's copy of its parent. */
export const COPIED_CHILD_BYTES = 8;
/** Of a message that waits, beside its own bytes. */
export const MESSAGE_BYTES = 128;

const KINDS = ['nodes', 'watches', 'transactions', 'outstanding', 'memory', 'events'] as const;
const LINE = /^([a-z-]+) *: *(\d+)(?: .*)?$/gm;

const countsIn = (text: string): Map<string, number> =>
  new Map(Array.from(text.matchAll(LINE), ([, kind, count]) => [kind!, Number(count)]));

export function encodeQuota(quota: DomainQuota): string {
  const lines = KINDS.map((kind) => `${kind.padEnd(16)}: ${String(quota[kind]).padStart(8)}\n`);
  return `Domain ${quota.domid}:\n${lines.join('')}`;
}

/** null: something else. xenstored does not count events. */
export function decodeQuota(text: string): DomainQuota | null {
  const domid = /^Domain (\d+):$/m.exec(text)?.[1];
  const counts = countsIn(text);
  const [nodes, watches, transactions, outstanding, memory] = KINDS.map((kind) => counts.get(kind));
  if (domid === undefined || nodes === undefined || watches === undefined) return null;
  if (transactions === undefined || outstanding === undefined || memory === undefined) return null;
  const events = counts.get('events') ?? 0;
  return { domid: Number(domid), nodes, watches, transactions, outstanding, memory, events };
}

/** xenstored calls it `memory` there. */
const SOFT: LimitName = 'memory-soft';
const hard = limitNames.filter((name) => name !== SOFT);

const SETTINGS = 'Quota settings:\n';
const setting = (name: string, value: number, about: string): string =>
  `${name.padEnd(17)}: ${String(value).padStart(8)} ${about}\n`;

export const encodeLimits = (values: Limits): string =>
  SETTINGS + hard.map((name) => setting(name, values[name], limits[name].about)).join('');
export const encodeSoftLimits = (values: Limits): string =>
  SETTINGS + setting('memory', values[SOFT], limits[SOFT].about);

/** From both answers. null: something else. */
export function decodeLimits(text: string, softText: string): Limits | null {
  const values = countsIn(text);
  const soft = countsIn(softText).get('memory');
  if (soft === undefined || !hard.every((name) => values.has(name))) return null;
  return Object.fromEntries(limitNames.map((name) => [name, name === SOFT ? soft : values.get(name)])) as Limits;
}

/** What sets a limit. null: there is none of that name. */
export const limitNamed = (command: 'quota' | 'quota-soft', name: string): LimitName | null =>
  command === 'quota' ? (hard.find((one) => one === name) ?? null) : name === 'memory' ? SOFT : null;
export const commandFor = (name: LimitName): readonly ['quota' | 'quota-soft', string] =>
  name === SOFT ? ['quota-soft', 'memory'] : ['quota', name];

export const encodeDomids = (domids: readonly number[]): string => domids.map((domid) => `${domid}\n`).join('');
export const decodeDomids = (text: string): number[] =>
  text
    .split('\n')
    .filter((line) => /^\d{1,5}$/.test(line))
    .map(Number);
