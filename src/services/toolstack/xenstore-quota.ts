/** What guests may have in XenStore, and what each domain has, as XenStore-Logic counts it. */
import type { StoreQuota } from '../../contracts/toolstack.ts';
import { boundsText, isWithinBounds, type LimitName } from '../../contracts/xenstore-limits.ts';
import {
  commandFor,
  type DomainQuota,
  decodeDomids,
  decodeLimits,
  decodeQuota,
} from '../../contracts/xenstore-quota.ts';
import { RpcError } from '../../kit/rpc.ts';
import { PortError } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';

export async function xenstoreQuota(xenstore: XenStore): Promise<StoreQuota> {
  const limits = decodeLimits(await xenstore.control('quota'), await xenstore.control('quota-soft'));
  if (!limits) throw new RpcError('refused', 'XenStore does not say what its limits are');
  const domains: DomainQuota[] = [];
  for (const domid of decodeDomids(await xenstore.control('domids'))) {
    const quota = decodeQuota(await answerOf(xenstore, domid));
    if (quota) domains.push(quota);
  }
  return { limits, domains };
}

export async function setXenstoreQuota(xenstore: XenStore, name: LimitName, value: number): Promise<void> {
  if (!isWithinBounds(name, value)) throw new RpcError('bad-config', boundsText(name));
  const [command, called] = commandFor(name);
  await xenstore.control(command, 'set', called, String(value));
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
