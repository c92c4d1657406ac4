/** What each domain uses of XenStore, as XenStore-Logic counts it. */
import { type DomainQuota, decodeDomids, decodeQuota } from '../../contracts/xenstore-quota.ts';
import { PortError } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';

export async function xenstoreQuotas(xenstore: XenStore): Promise<DomainQuota[]> {
  const quotas: DomainQuota[] = [];
  for (const domid of decodeDomids(await xenstore.control('quota'))) {
    const quota = decodeQuota(await answerOf(xenstore, domid));
    if (quota) quotas.push(quota);
  }
  return quotas;
}

/** Empty for a domain that has gone since it was named. */
async function answerOf(xenstore: XenStore, domid: number): Promise<string> {
  try {
    return await xenstore.control('quota', String(domid));
  } catch (error) {
    if (error instanceof PortError && error.code === 'ENOENT') return '';
    throw error;
  }
}
