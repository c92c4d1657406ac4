/**
 * How often this VM's service was started, in its home in XenStore: a process that begins finds there what those before it have counted, and
 * Builder shows it. XenStore's own two VMs have no home, and are asked by XS_CONTROL.
 */
import { startsNode } from '../contracts/builder.ts';
import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../contracts/domids.ts';
import type { DomId, Log } from '../xen/ports.ts';
import type { XenStore } from '../xen/xenstore-port.ts';

/** A start that cannot be counted is a start all the same. */
export async function countStart(store: XenStore, own: DomId, log: Log): Promise<void> {
  try {
    await store.write(startsNode(own), String((await startsOf(store, own)) + 1));
  } catch (error) {
    log(`this start is not counted: ${String(error)}`);
  }
}

const isXenStore = (domid: DomId): boolean => domid === XENSTORE_STATE_DOMID || domid === XENSTORE_LOGIC_DOMID;

/** 0 where nothing was counted, or where somebody wrote nonsense. */
export async function startsOf(store: Pick<XenStore, 'read' | 'control'>, domid: DomId): Promise<number> {
  const counted = isXenStore(domid)
    ? await store.control('starts', String(domid))
    : await store.read(startsNode(domid));
  return counted && /^\d{1,9}$/.test(counted) ? Number(counted) : 0;
}
