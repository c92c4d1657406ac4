/**
 * A second process in the VM of XenStore-State or -Logic: when domain 0 rings it kills the service's process, whatever that is doing. Arguments: that
 * process's number, domain 0's port. It is killed itself after that, by process 1.
 */
import * as rt from 'ennead:rt';
import { BOOTSTRAPPER_DOMID } from '../../../../src/contracts/domids.ts';

const SIGKILL = 9;
const LOOK_AGAIN_MS = 60_000;
const FIRST_EVENT_MS = 1000;

const [service, remotePort] = rt.args.map(Number) as [number, number];
const port = rt.evtchnBindInterdomain(BOOTSTRAPPER_DOMID, remotePort);
// Xen makes an event for whoever binds a channel, in case that one was missed: it is no order.
rt.evtchnWait(port, FIRST_EVENT_MS);
rt.evtchnNotify(port);
while (!rt.evtchnWait(port, LOOK_AGAIN_MS));
rt.kill(service, SIGKILL);
