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
}

const KINDS = ['nodes', 'watches', 'transactions'] as const;
const LINE = /^([a-z]+) *: *(\d+)$/gm;

export function encodeQuota(quota: DomainQuota): string {
  const lines = KINDS.map((kind) => `${kind.padEnd(16)}: ${String(quota[kind]).padStart(8)}\n`);
  return `Domain ${quota.domid}:\n${lines.join('')}`;
}

/** null: something else. Kinds that only xenstored counts are passed over. */
export function decodeQuota(text: string): DomainQuota | null {
  const domid = /^Domain (\d+):$/m.exec(text)?.[1];
  const counts = new Map(Array.from(text.matchAll(LINE), ([, kind, count]) => [kind, Number(count)]));
  const [nodes, watches, transactions] = KINDS.map((kind) => counts.get(kind));
  if (domid === undefined || nodes === undefined || watches === undefined || transactions === undefined) return null;
  return { domid: Number(domid), nodes, watches, transactions };
}

export const encodeDomids = (domids: readonly number[]): string => domids.map((domid) => `${domid}\n`).join('');
export const decodeDomids = (text: string): number[] =>
  text
    .split('\n')
    .filter((line) => /^\d{1,5}$/.test(line))
    .map(Number);
