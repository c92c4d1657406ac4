/** Domain 0 of the attack machine: builds what only it may build, attacks it, and hands over to Builder. */
import * as rt from 'ennead:rt';
import { attackerOf, BUILDER, GUEST_VICTIM, PCIBACK, type Vm, vms } from '../plan.ts';
import { createVm, loadVm, lookUpSids } from './build-vm.ts';
import type { Knowledge, Orders } from './knowledge.ts';
import { attackAs } from './report.ts';

function build(own: readonly Vm[], sids: readonly number[]): Knowledge {
  const frames = new Map<number, number>();
  for (const vm of own) createVm(vm, { sids, frames });
  for (const vm of own) frames.set(vm.domid, loadVm(vm, { sids, frames }));
  return { sids, frames };
}

export function bootstrap(orders: Orders): void {
  // Builder comes last, so that it is told everyone's frames.
  const own = vms.filter((vm) => vm.builtBy === 'bootstrapper').sort((a) => (a === BUILDER ? 1 : -1));
  const knowledge = build(own, lookUpSids());
  attackAs('bootstrapper', { ...orders, knowledge });
  // PCIBack stays paused until Builder has built its other victims.
  for (const vm of own) if (vm !== PCIBACK) rt.domainUnpause(vm.domid);
}

/** With a policy that is not enforced: one guest attacks another. Domain 0 may not even create them. */
export function bootstrapPermissive(): void {
  const pair = [GUEST_VICTIM, attackerOf('guest')];
  build(pair, lookUpSids());
  for (const { domid } of pair) rt.domainUnpause(domid);
}
