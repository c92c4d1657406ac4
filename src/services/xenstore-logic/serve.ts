/** Logic's start, wherever it runs: finds State, connects the clients that are there, and hands every event to its handler. */
import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../contracts/domids.ts';
import { type EventChannels, type EventPort, type Grants, VIRQ_DOM_EXC } from '../../xen/ports.ts';
import type { BootClient } from './boot-clients.ts';
import { Logic } from './logic.ts';
import { type LogicPorts, STORE_GRANT } from './ports.ts';
import { pagesOf } from './state-client.ts';
import { connectState } from './state-link.ts';

export interface Surroundings extends Pick<LogicPorts, 'box' | 'rings' | 'actsAs' | 'domains' | 'startAgain' | 'log'> {
  readonly grants: Grants;
  readonly eventChannels: EventChannels;
  /** For the link to State, which is waited on. */
  readonly linkChannels: EventChannels;
  /** For every event from the end of the running handler on; after each, the heap is rolled back, and after one that failed `onFailed` is run. */
  handleEvents(handler: (port: EventPort) => void, onFailed: () => void): void;
}

export function serveLogic(surroundings: Surroundings, atBoot: readonly BootClient[]): void {
  const { grants, eventChannels, linkChannels, log } = surroundings;
  const page = grants.map(XENSTORE_STATE_DOMID, [STORE_GRANT], true);
  const link = connectState(page, linkChannels);
  const pages = pagesOf(link);
  const contents = grants.map(XENSTORE_STATE_DOMID, pages.contents, false);
  const journal = grants.map(XENSTORE_STATE_DOMID, pages.journal, true);
  const orStartAgain = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      log(`lost xenstore-state: ${String(error)}`);
      return surroundings.startAgain();
    }
  };
  const domainException = eventChannels.bindVirq(VIRQ_DOM_EXC);
  // A channel to itself: an event for work that no client will make one for.
  const wakeUp = eventChannels.allocUnbound(XENSTORE_LOGIC_DOMID);
  const wake = eventChannels.bindInterdomain(XENSTORE_LOGIC_DOMID, wakeUp);

  const ports: LogicPorts = {
    ...surroundings,
    state: {
      exchange: (message) => orStartAgain(() => link.exchange(message)),
      settle: () => orStartAgain(() => link.settle()),
      demandSameState: () => orStartAgain(() => link.demandSameState()),
    },
    contents,
    journal,
    wake: () => eventChannels.notify(wake),
  };

  let logic = new Logic(ports);
  logic.onStart(atBoot);
  const handle = (port: EventPort): void => {
    if (port === domainException) logic.onDomainException();
    else if (port === wakeUp) logic.onWake();
    else if (port === link.port) logic.onReminder();
    else logic.onEvent(port);
  };
  surroundings.handleEvents(handle, () => {
    logic = new Logic(ports);
    logic.onFailure();
  });
}
