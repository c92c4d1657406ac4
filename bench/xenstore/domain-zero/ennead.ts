/** Ennead's XenStore and its clients, all there from the start. Domain 0 has nothing to do after that. */
import { encodeBootParameters } from '../../../src/contracts/boot-parameters.ts';
import { BOOTSTRAPPER_DOMID, XENSTORE_LOGIC_DOMID } from '../../../src/contracts/domids.ts';
import type { DomId, EventPort } from '../../../src/xen/ports.ts';
import { domainControl, eventChannels } from '../../../src/xen/real/adapter.ts';
import { createServer, startServer } from '../../../test/virtual-store/domain-zero/ennead.ts';
import { createVm, loadVm, UNRESTRICTED, vmImage } from '../../../test/virtual-store/domain-zero/vms.ts';
import type { Orders } from '../conductor/conduct.ts';
import { ordersParameters } from '../conductor/orders.ts';
import { CONDUCTOR_DOMID, clientDomids } from '../plan.ts';

export function startEnnead(orders: Orders): void {
  const clients = clientDomids(orders.clients);
  createServer();
  createVm(CONDUCTOR_DOMID, 'builder');
  for (const domid of clients) createVm(domid, 'guest');
  const ports = new Map<DomId, EventPort>();
  for (const domid of [CONDUCTOR_DOMID, ...clients])
    ports.set(domid, domainControl.allocEventChannel(domid, XENSTORE_LOGIC_DOMID));
  const storeOf = (domid: DomId) => ({ domid: XENSTORE_LOGIC_DOMID, port: ports.get(domid)! });
  for (const domid of clients) loadVm(domid, vmImage('client'), storeOf(domid));
  // It asks Xen for processor times.
  const conductor = vmImage('conductor', UNRESTRICTED, encodeBootParameters(ordersParameters(orders)));
  loadVm(CONDUCTOR_DOMID, conductor, storeOf(CONDUCTOR_DOMID));
  // Who would introduce the clients is one of them.
  startServer(ports);
  for (const domid of [CONDUCTOR_DOMID, ...clients]) domainControl.unpause(domid);
  stay();
}

/** A program that waits for nothing ends, and the machine with it. */
function stay(): void {
  eventChannels.onEvent(eventChannels.allocUnbound(BOOTSTRAPPER_DOMID), () => undefined);
}
