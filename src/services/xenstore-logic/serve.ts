/** Logic's start, wherever it runs: finds State, connects the clients that are there, and hands every event to its handler. */
import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../contracts/domids.ts';
import { type EventChannels, type EventPort, type Grants, VIRQ_DOM_EXC } from '../../xen/ports.ts';
import type { BootClient } from './boot-clients.ts';
import { onDomainException, onEvent, onStart, onWake } from './logic.ts';
import { type LogicPorts, STORE_GRANT } from './ports.ts';
import { contentsOf } from './state-client.ts';
import { connectState } from './state-link.ts';

export interface Surroundings extends Pick<LogicPorts, 'box' | 'rings' | 'actsAs' | 'domains' | 'log'> {
  readonly grants: Grants;
  readonly eventChannels: EventChannels;
  /** For the link to State, which is waited on. */
  readonly linkChannels: EventChannels;
  /** For every event from the end of the running handler on; after each, the heap is rolled back. */
  handleEvents(handler: (port: EventPort) => void): void;
  /** Ends this process; a fresh one follows. */
  startAgain(): never;
}

export function serveLogic(surroundings: Surroundings, atBoot: readonly BootClient[]): void {
  const { grants, eventChannels, linkChannels, log } = surroundings;
  const orStartAgain = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      log(`lost xenstore-state: ${String(error)}`);
      return surroundings.startAgain();
    }
  };
  const link = connectState(grants.map(XENSTORE_STATE_DOMID, [STORE_GRANT], true), linkChannels);
  const contents = grants.map(XENSTORE_STATE_DOMID, contentsOf(link), false);
  const domainException = eventChannels.bindVirq(VIRQ_DOM_EXC);
  // A channel to itself: an event for work that no client will make one for.
  const wakeUp = eventChannels.allocUnbound(XENSTORE_LOGIC_DOMID);
  const wake = eventChannels.bindInterdomain(XENSTORE_LOGIC_DOMID, wakeUp);

  const ports: LogicPorts = {
    ...surroundings,
    state: {
      exchange: (message) => orStartAgain(() => link.exchange(message)),
      settle: () => orStartAgain(() => link.settle()),
    },
    contents,
    wake: () => eventChannels.notify(wake),
  };

  onStart(ports, atBoot);
  surroundings.handleEvents((port) => {
    if (port === domainException) onDomainException(ports);
    else if (port === wakeUp) onWake(ports);
    else onEvent(ports, port);
  });
}
