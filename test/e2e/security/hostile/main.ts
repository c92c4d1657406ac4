/** The one program of all VMs of the attack machine. */
import * as rt from 'ennead:rt';
import { BUILDER, PCIBACK, permissiveAttempts, vms } from '../plan.ts';
import { bootstrap, bootstrapPermissive } from './bootstrapper.ts';
import { buildAndAttack } from './builder.ts';
import { type Orders, readOrders } from './knowledge.ts';
import { attackAs, stayAlive } from './report.ts';

const RETRY_MS = 100;
const FIRST_EVENT_TIMEOUT_MS = 1_000;
const RETIREMENT_TIMEOUT_MS = 120_000;

/** Mapping its memory is refused as well; what counts is whether Xen knows the domain. */
function exists(domid: number): boolean {
  try {
    rt.foreignMap(domid, [0], false);
    return true;
  } catch (error) {
    return (error as rt.RtError).code !== 'ESRCH';
  }
}

/** What Bootstrapper starts runs before all its victims are built, and a VM that is not there has no memory to refuse. */
function whenAllAreThere(self: number, then: () => void): void {
  const last = vms.at(-1)!.domid;
  if (self === last || exists(last)) then();
  else setTimeout(() => whenAllAreThere(self, then), RETRY_MS);
}

/** PCIBack's one channel leads to Builder, which offered it: word is given by it, and taken, that the label has changed. */
function awaitRetirement(channel: number): void {
  // A new channel always has one event pending.
  rt.evtchnWait(channel, FIRST_EVENT_TIMEOUT_MS);
  rt.evtchnNotify(channel);
  if (!rt.evtchnWait(channel, RETIREMENT_TIMEOUT_MS)) throw new Error('Builder has not retired this VM');
}

function attackInTurn(orders: Orders): void {
  const offered = attackAs(orders.label, orders);
  if (orders.domid !== PCIBACK.domid) return;
  const channel = offered.get(BUILDER.domid);
  if (channel === undefined) throw new Error('Builder has offered no channel');
  awaitRetirement(channel);
  attackAs('pciback-retired', orders);
}

function run(orders: Orders): void {
  const { part, domid, enforcing } = orders;
  stayAlive(domid);
  if (part === 'victim') return;
  if (part === 'bootstrapper' && enforcing) bootstrap(orders);
  else if (part === 'bootstrapper') bootstrapPermissive();
  else if (domid === BUILDER.domid) buildAndAttack(orders);
  else if (enforcing) whenAllAreThere(domid, () => attackInTurn(orders));
  else attackAs(orders.label, orders, permissiveAttempts());
}

rt.setHandlerLimit(0);
run(readOrders());
