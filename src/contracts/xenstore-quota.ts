/**
 * XenStore-Logic's answers to XS_CONTROL `quota`, which Toolstack asks. With a domid: what that domain uses, as xenstored prints it. Without one
 * xenstored prints its limits; here these are fixed, and the answer names the domains that use anything.
 * @source Xen tools/xenstore/xenstored_domain.c, domain_get_quota
 */
export interface DomainQuota {
  readonly domid: number;
  readonly nodes: number;
  readonly watches: number;
  readonly transactions: number;
  /** Bytes of nodes, watches, open transactions and unsent messages, as `nodeBytes` and its like count them. */
  readonly memory: number;
}

/** What a thing takes beside its text, roughly: on XenStore-State's heap, in what it shows, in its log. */
const OVERHEAD_BYTES = 64;
const PERMISSION_BYTES = 8;
export const nodeBytes = (path: string, valueBytes: number, permissions: number): number =>
  OVERHEAD_BYTES + path.length + valueBytes + PERMISSION_BYTES * permissions;
export const watchBytes = (path: string, token: string): number => OVERHEAD_BYTES + path.length + token.length;

const KINDS = ['nodes', 'watches', 'transactions', 'memory'] as const;
const LINE = /^([a-z]+) *: *(\d+)$/gm;

export function encodeQuota(quota: DomainQuota): string {
  const lines = KINDS.map((kind) => `${kind.padEnd(16)}: ${String(quota[kind]).padStart(8)}\n`);
  return `Domain ${quota.domid}:\n${lines.join('')}`;
}

/** null: something else. Kinds that only xenstored counts are passed over. */
export function decodeQuota(text: string): DomainQuota | null {
  const domid = /^Domain (\d+):$/m.exec(text)?.[1];
  const counts = new Map(Array.from(text.matchAll(LINE), ([, kind, count]) => [kind, Number(count)]));
  const [nodes, watches, transactions, memory] = KINDS.map((kind) => counts.get(kind));
  if (domid === undefined || nodes === undefined || watches === undefined) return null;
  if (transactions === undefined || memory === undefined) return null;
  return { domid: Number(domid), nodes, watches, transactions, memory };
}

export const encodeDomids = (domids: readonly number[]): string => domids.map((domid) => `${domid}\n`).join('');
export const decodeDomids = (text: string): number[] =>
  text
    .split('\n')
    .filter((line) => /^\d{1,5}$/.test(line))
    .map(Number);
