import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../contracts/domids.ts';
import { handleEventsFromHere, numberedRegions, recoveryBox, startAgain } from '../../kit/rollback.ts';
import { startService } from '../../kit/service.ts';
import { VIRQ_DOM_EXC } from '../../xen/ports.ts';
import { domainControl, eventChannels, grants } from '../../xen/real/adapter.ts';
import { decodeBootClients } from './boot-clients.ts';
import { onDomainException, onEvent, onStart, onWake } from './logic.ts';
import { type LogicPorts, STORE_GRANT } from './ports.ts';
import { contentsOf } from './state-client.ts';
import { connectState } from './state-link.ts';

startService('xenstore-logic', ({ parameters, log }) => {
  const orStartAgain = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      log(`lost xenstore-state: ${String(error)}`);
      return startAgain();
    }
  };
  const link = connectState(grants.map(XENSTORE_STATE_DOMID, [STORE_GRANT], true), eventChannels);
  const contents = grants.map(XENSTORE_STATE_DOMID, contentsOf(link), false);
  const domainException = eventChannels.bindVirq(VIRQ_DOM_EXC);
  // A channel to itself: an event for work that no client will make one for.
  const wakeUp = eventChannels.allocUnbound(XENSTORE_LOGIC_DOMID);
  const wake = eventChannels.bindInterdomain(XENSTORE_LOGIC_DOMID, wakeUp);

  const ports: LogicPorts = {
    box: recoveryBox,
    rings: { ...numberedRegions, map: (domid) => numberedRegions.map(domid, STORE_GRANT) },
    eventChannels,
    state: {
      exchange: (message) => orStartAgain(() => link.exchange(message)),
      settle: () => orStartAgain(() => link.settle()),
    },
    contents,
    domains: () => domainControl.list(),
    wake: () => eventChannels.notify(wake),
    log,
  };

  onStart(ports, decodeBootClients(parameters.introduce));
  handleEventsFromHere((port) => {
    if (port === domainException) onDomainException(ports);
    else if (port === wakeUp) onWake(ports);
    else onEvent(ports, port);
  });
});
