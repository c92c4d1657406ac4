/** Ennead's XenStore: State and Logic built as Bootstrapper builds them. Domain 0 has nothing to do after that. */
import { BOOTSTRAPPER_DOMID, XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../src/contracts/domids.ts';
import { serviceImage } from '../../../src/kit/service-vm.ts';
import { type DomId, type EventPort, VIRQ_DOM_EXC } from '../../../src/xen/ports.ts';
import { domainControl, eventChannels } from '../../../src/xen/real/adapter.ts';
import type { Orders } from '../conductor/conduct.ts';
import { ordersParameters } from '../conductor/orders.ts';
import { CONDUCTOR_DOMID, clientDomids } from '../plan.ts';
import { clientImage, conductorImage, createVm, loadVm } from './vms.ts';

export function startEnnead(orders: Orders): void {
  const clients = clientDomids(orders.clients);
  createVm(XENSTORE_STATE_DOMID, 'xenstore-state');
  createVm(XENSTORE_LOGIC_DOMID, 'xenstore-logic');
  createVm(CONDUCTOR_DOMID, 'builder');
  for (const domid of clients) createVm(domid, 'guest');
  const ports = new Map<DomId, EventPort>();
  for (const domid of [CONDUCTOR_DOMID, ...clients])
    ports.set(domid, domainControl.allocEventChannel(domid, XENSTORE_LOGIC_DOMID));
  domainControl.setVirqHandler(XENSTORE_LOGIC_DOMID, VIRQ_DOM_EXC);
  // Logic comes last: it finds its clients' pages granted.
  for (const domid of clients) loadVm(domid, clientImage, storeOf(domid, ports));
  loadVm(CONDUCTOR_DOMID, conductorImage(ordersParameters(orders)), storeOf(CONDUCTOR_DOMID, ports));
  loadServer(ports);
  for (const domid of [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID, CONDUCTOR_DOMID, ...clients])
    domainControl.unpause(domid);
  stay();
}

/** A program that waits for nothing ends, and the machine with it. */
function stay(): void {
  eventChannels.onEvent(eventChannels.allocUnbound(BOOTSTRAPPER_DOMID), () => undefined);
}

const storeOf = (domid: DomId, ports: ReadonlyMap<DomId, EventPort>) => ({
  domid: XENSTORE_LOGIC_DOMID,
  port: ports.get(domid)!,
});

/** Everybody is a client that is there at boot: who would introduce them is one of them. */
function loadServer(ports: ReadonlyMap<DomId, EventPort>): void {
  loadVm(XENSTORE_STATE_DOMID, serviceImage('xenstore-state'), {
    domid: XENSTORE_LOGIC_DOMID,
    port: 0,
    pageParameter: 'ennead.store-page',
  });
  const introduce = [...ports].map(([domid, port]) => `${domid}:${port}`).join();
  loadVm(XENSTORE_LOGIC_DOMID, serviceImage('xenstore-logic', { parameters: { introduce } }), {
    domid: XENSTORE_LOGIC_DOMID,
    port: 0,
  });
}
