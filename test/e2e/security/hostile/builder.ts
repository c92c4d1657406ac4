/** A VM with Builder's label: builds the other half of the attack machine, attacks it, and retires PCIBack when that has attacked. */
import * as rt from 'ennead:rt';
import { BUILDER, labels, PCIBACK, runs, vms } from '../plan.ts';
import { createVm, loadVm } from './build-vm.ts';
import type { Orders } from './knowledge.ts';
import { attackAs, report } from './report.ts';

const DOMAIN_ZERO = 0;

export function buildAndAttack(orders: Orders): void {
  const { sids } = orders.knowledge;
  rt.domainDestroy(DOMAIN_ZERO);
  report(BUILDER.domid, 'control destroyed 0');
  const frames = new Map(orders.knowledge.frames);
  const own = vms.filter((vm) => vm.builtBy === 'builder');
  for (const vm of own) {
    createVm(vm, { sids, frames });
    frames.set(vm.domid, loadVm(vm, { sids, frames }));
  }
  for (const { domid, emulatedBy } of own) if (emulatedBy !== undefined) rt.domainSetTarget(emulatedBy, domid);
  const channel = rt.evtchnAllocUnbound(PCIBACK.domid);
  rt.onEvent((port) => {
    if (port === channel) retirePciback(sids, channel);
  });
  for (const vm of [...own, PCIBACK]) if (runs(vm)) rt.domainUnpause(vm.domid);
  attackAs('builder', { ...orders, knowledge: { sids, frames } });
}

/** Unlike in a real host it runs on, to show what the label is worth. */
function retirePciback(sids: readonly number[], channel: number): void {
  rt.domainPause(PCIBACK.domid);
  rt.flaskRelabel(PCIBACK.domid, sids[labels.indexOf('pciback-retired')]!);
  rt.domainUnpause(PCIBACK.domid);
  report(BUILDER.domid, `control retired ${PCIBACK.domid}`);
  rt.evtchnNotify(channel);
}
