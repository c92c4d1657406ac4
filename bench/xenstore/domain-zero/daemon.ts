/** Debian's xenstored or oxenstored as a process of domain 0, which introduces the clients and conducts. */
import { BOOTSTRAPPER_DOMID } from '../../../src/contracts/domids.ts';
import type { DomId, Log } from '../../../src/xen/ports.ts';
import { domainControl } from '../../../src/xen/real/adapter.ts';
import type { XenStore } from '../../../src/xen/xenstore-port.ts';
import { startDaemon } from '../../../test/virtual-store/domain-zero/daemon.ts';
import { createVm, loadVm, vmImage } from '../../../test/virtual-store/domain-zero/vms.ts';
import { conduct, type Orders } from '../conductor/conduct.ts';
import { clientDomids, type Server } from '../plan.ts';

export async function conductWithDaemon(server: Server, orders: Orders, log: Log): Promise<void> {
  const store = await startDaemon([server], log);
  for (const domid of clientDomids(orders.clients)) await startClient(store, domid);
  await conduct({ ...orders, store, self: BOOTSTRAPPER_DOMID, server: [BOOTSTRAPPER_DOMID], log });
}

async function startClient(store: XenStore, domid: DomId): Promise<void> {
  createVm(domid, 'guest');
  const port = domainControl.allocEventChannel(domid, BOOTSTRAPPER_DOMID);
  const frame = loadVm(domid, vmImage('client'), { domid: BOOTSTRAPPER_DOMID, port });
  await store.introduce(domid, frame, port);
  domainControl.unpause(domid);
}
