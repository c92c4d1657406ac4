/**
 * How often this VM's service was started, in its home in XenStore: a process that begins finds there what those before it have counted, and
 * Builder shows it. XenStore's own two VMs have nowhere to count.
 */
import { startsNode } from '../contracts/builder.ts';
import type { DomId } from '../xen/ports.ts';
import type { XenStore, XenStoreReader } from '../xen/xenstore-port.ts';

export async function countStart(store: XenStore, own: DomId): Promise<void> {
  await store.write(startsNode(own), String((await startsOf(store, own)) + 1));
}

/** 0 where nothing was counted, or where somebody wrote nonsense. */
export async function startsOf(store: XenStoreReader, domid: DomId): Promise<number> {
  const counted = await store.read(startsNode(domid));
  return counted && /^\d{1,9}$/.test(counted) ? Number(counted) : 0;
}
