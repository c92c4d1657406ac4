/** Event channels between the domains of the in-memory Xen. */
import { DOMID_SELF, type DomId, type EventChannels, type EventPort, PortError } from '../ports.ts';
import type { Scheduler } from './scheduler.ts';

interface Channel {
  state:
    | { readonly is: 'unbound'; readonly remote: DomId }
    | { readonly is: 'interdomain'; readonly remote: DomId; readonly remotePort: EventPort }
    | { readonly is: 'virq'; readonly virq: number };
  /** Linux's /dev/xen/evtchn serves only ports that it opened itself; one that the domain builder made belongs to the kernel. */
  readonly opened: 'by-program' | 'by-builder';
  pending: boolean;
  handler: (() => void) | null;
}

export class EventChannelTable {
  private readonly domains = new Map<DomId, Map<EventPort, Channel>>();

  constructor(private readonly scheduler: Scheduler) {}

  addDomain(domid: DomId): void {
    this.domains.set(domid, new Map());
  }

  /** As when a domain dies: the other ends fall back to unbound. */
  removeDomain(domid: DomId): void {
    for (const port of [...(this.domains.get(domid)?.keys() ?? [])]) this.close(domid, port);
    this.domains.delete(domid);
  }

  /** Ports that the domain's program has open. */
  openPorts(domid: DomId): EventPort[] {
    return [...this.table(domid)].flatMap(([port, { opened }]) => (opened === 'by-program' ? [port] : []));
  }

  endProgram(domid: DomId): void {
    for (const port of this.openPorts(domid)) this.close(domid, port);
  }

  allocUnbound(domid: DomId, remote: DomId, opened: Channel['opened']): EventPort {
    if (!this.domains.has(remote)) throw new PortError('ESRCH', 'evtchnAllocUnbound', `domain ${remote}`);
    return this.open(domid, { is: 'unbound', remote }, opened);
  }

  raiseVirq(domid: DomId, virq: number): void {
    for (const [port, channel] of this.domains.get(domid) ?? [])
      if (channel.state.is === 'virq' && channel.state.virq === virq) this.signal(domid, port);
  }

  portsOf(domid: DomId): EventChannels & { adopt(port: EventPort): void } {
    return {
      allocUnbound: (remote) => this.allocUnbound(domid, remote === DOMID_SELF ? domid : remote, 'by-program'),
      bindInterdomain: (remote, remotePort) => this.bind(domid, remote === DOMID_SELF ? domid : remote, remotePort),
      bindVirq: (virq) => this.open(domid, { is: 'virq', virq }, 'by-program'),
      unbind: (port) => {
        this.opened(domid, port, 'evtchnUnbind');
        this.close(domid, port);
      },
      notify: (port) => {
        const { state } = this.opened(domid, port, 'evtchnNotify');
        if (state.is === 'interdomain') this.signal(state.remote, state.remotePort);
      },
      onEvent: (port, handler) => {
        const channel = this.opened(domid, port, 'onEvent');
        channel.handler = handler;
        if (channel.pending) this.deliver(domid, port);
      },
      wait: (port) => {
        const channel = this.opened(domid, port, 'evtchnWait');
        const fired = this.scheduler.runUntil(domid, () => channel.pending);
        channel.pending = false;
        return fired;
      },
      /** The domain's kernel takes over a port that the builder made for it. */
      adopt: (port) => {
        const channel = this.channel(domid, port, 'adopt');
        this.table(domid).set(port, { ...channel, opened: 'by-program' });
      },
    };
  }

  private open(domid: DomId, state: Channel['state'], opened: Channel['opened']): EventPort {
    const table = this.table(domid);
    let port = 1;
    while (table.has(port)) port += 1;
    table.set(port, { state, opened, pending: false, handler: null });
    return port;
  }

  private bind(domid: DomId, remote: DomId, remotePort: EventPort): EventPort {
    const other = this.domains.get(remote)?.get(remotePort);
    if (other?.state.is !== 'unbound' || other.state.remote !== domid)
      throw new PortError('EINVAL', 'evtchnBindInterdomain', `port ${remotePort} of domain ${remote}`);
    const port = this.open(domid, { is: 'interdomain', remote, remotePort }, 'by-program');
    other.state = { is: 'interdomain', remote: domid, remotePort: port };
    // As Xen does: an event that came before the binding is not lost.
    this.signal(domid, port);
    return port;
  }

  private close(domid: DomId, port: EventPort): void {
    const state = this.table(domid).get(port)?.state;
    if (state?.is === 'interdomain') {
      const other = this.domains.get(state.remote)?.get(state.remotePort);
      if (other) other.state = { is: 'unbound', remote: domid };
    }
    this.table(domid).delete(port);
  }

  private signal(domid: DomId, port: EventPort): void {
    const channel = this.domains.get(domid)?.get(port);
    if (!channel || channel.pending) return;
    channel.pending = true;
    if (channel.handler) this.deliver(domid, port);
  }

  private deliver(domid: DomId, port: EventPort): void {
    this.scheduler.add({
      to: domid,
      run: () => {
        const channel = this.domains.get(domid)?.get(port);
        // A wait may have taken the event, the domain may have closed the port.
        if (!channel?.pending || !channel.handler) return;
        channel.pending = false;
        channel.handler();
      },
    });
  }

  private opened(domid: DomId, port: EventPort, operation: string): Channel {
    const channel = this.channel(domid, port, operation);
    if (channel.opened !== 'by-program') throw new PortError('ENOTCONN', operation, `port ${port}`);
    return channel;
  }

  private channel(domid: DomId, port: EventPort, operation: string): Channel {
    const channel = this.table(domid).get(port);
    if (!channel) throw new PortError('ENOTCONN', operation, `port ${port}`);
    return channel;
  }

  private table(domid: DomId): Map<EventPort, Channel> {
    const table = this.domains.get(domid);
    if (!table) throw new PortError('ESRCH', 'event channel', `domain ${domid}`);
    return table;
  }
}
