/** Ennead's XenStore: State and Logic made as Bootstrapper makes them. */
import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../src/contracts/domids.ts';
import { serviceImage } from '../../../src/kit/service-vm.ts';
import { type DomId, type EventPort, VIRQ_DOM_EXC } from '../../../src/xen/ports.ts';
import { domainControl } from '../../../src/xen/real/adapter.ts';
import { createVm, loadVm } from './vms.ts';

/** Before its clients are: their pages and channels are for a domain that has to be there. */
export function createServer(): void {
  createVm(XENSTORE_STATE_DOMID, 'xenstore-state');
  createVm(XENSTORE_LOGIC_DOMID, 'xenstore-logic');
  domainControl.setVirqHandler(XENSTORE_LOGIC_DOMID, VIRQ_DOM_EXC);
}

/** After those clients are loaded that are there at boot. They are named with the ports of their store channels. */
export function startServer(atBoot: ReadonlyMap<DomId, EventPort>): void {
  loadVm(XENSTORE_STATE_DOMID, serviceImage('xenstore-state'), {
    domid: XENSTORE_LOGIC_DOMID,
    port: 0,
    pageParameter: 'ennead.store-page',
  });
  const introduce = [...atBoot].map(([domid, port]) => `${domid}:${port}`).join();
  loadVm(XENSTORE_LOGIC_DOMID, serviceImage('xenstore-logic', { parameters: { introduce } }), {
    domid: XENSTORE_LOGIC_DOMID,
    port: 0,
  });
  for (const domid of [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID]) domainControl.unpause(domid);
}
