/** The VMs of the kill test: XenStore's two, each with a killer, the conductor, and the clients. */

import { encodeBootParameters } from '../../../../src/contracts/boot-parameters.ts';
import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../../src/contracts/domids.ts';
import { serviceImage } from '../../../../src/kit/service-vm.ts';
import { type DomId, type EventPort, VIRQ_DOM_EXC } from '../../../../src/xen/ports.ts';
import { domainControl } from '../../../../src/xen/real/adapter.ts';
import { createVm, loadVm, vmImage } from '../../../virtual-store/domain-zero/vms.ts';
import { BELL, CONDUCTOR_DOMID, clientDomids, type Orders, ordersParameters } from '../plan.ts';
import { Bell } from './bell.ts';

const CLIENTS_OF_XENSTORE: readonly DomId[] = [CONDUCTOR_DOMID, ...clientDomids];

export class Machine {
  private readonly bells = new Map<DomId, Bell>();
  private readonly storePorts = new Map<DomId, EventPort>();

  constructor(orders: Orders) {
    createVm(XENSTORE_STATE_DOMID, 'xenstore-state');
    createVm(XENSTORE_LOGIC_DOMID, 'xenstore-logic');
    createVm(CONDUCTOR_DOMID, 'builder');
    for (const domid of clientDomids) createVm(domid, 'guest');
    for (const domid of [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID, ...CLIENTS_OF_XENSTORE])
      this.bells.set(domid, new Bell(domid));
    for (const domid of CLIENTS_OF_XENSTORE)
      this.storePorts.set(domid, domainControl.allocEventChannel(domid, XENSTORE_LOGIC_DOMID));
    // Logic comes last: it finds its clients' pages granted.
    for (const domid of CLIENTS_OF_XENSTORE) this.loadClient(domid, orders);
    this.loadState();
    this.loadLogic();
    for (const domid of [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID, ...CLIENTS_OF_XENSTORE])
      domainControl.unpause(domid);
  }

  bell(domid: DomId): Bell {
    return this.bells.get(domid)!;
  }

  /** Whatever it is doing. Its clients keep their pages and channels, and are not told. */
  destroyLogic(): void {
    domainControl.destroy(XENSTORE_LOGIC_DOMID);
  }

  buildLogicAgain(): void {
    createVm(XENSTORE_LOGIC_DOMID, 'xenstore-logic');
    this.loadLogic();
    domainControl.unpause(XENSTORE_LOGIC_DOMID);
  }

  private loadClient(domid: DomId, orders: Orders): void {
    const program = domid === CONDUCTOR_DOMID ? 'conductor' : 'client';
    const parameters = encodeBootParameters({
      ...ordersParameters(orders),
      ...this.ownBell(domid),
      domid: String(domid),
    });
    loadVm(domid, vmImage(program, parameters), { domid: XENSTORE_LOGIC_DOMID, port: this.storePorts.get(domid)! });
  }

  private loadState(): void {
    const store = { domid: XENSTORE_LOGIC_DOMID, port: 0, pageParameter: 'ennead.store-page' };
    loadVm(
      XENSTORE_STATE_DOMID,
      serviceImage('xenstore-state', { parameters: this.ownBell(XENSTORE_STATE_DOMID) }),
      store,
    );
  }

  private loadLogic(): void {
    domainControl.setVirqHandler(XENSTORE_LOGIC_DOMID, VIRQ_DOM_EXC);
    const introduce = [...this.storePorts].map(([domid, port]) => `${domid}:${port}`).join();
    const parameters = { introduce, ...this.ownBell(XENSTORE_LOGIC_DOMID) };
    loadVm(XENSTORE_LOGIC_DOMID, serviceImage('xenstore-logic', { parameters }), {
      domid: XENSTORE_LOGIC_DOMID,
      port: 0,
    });
  }

  private ownBell(domid: DomId): Readonly<Record<string, string>> {
    return { [BELL]: String(this.bell(domid).port) };
  }
}
