/** Clients that come through a socket: each gets a ring like a VM's, is introduced to XenStore-Logic, and released when it goes. */
import { FIRST_GUEST_DOMID, XENSTORE_LOGIC_DOMID } from '../contracts/domids.ts';
import type { ByteStream, DomId, EventChannels, Log, SharedRegion } from '../xen/ports.ts';
import type { XenStore } from '../xen/xenstore-port.ts';
import { relay } from './relay.ts';
import { RingStream } from './ring-stream.ts';

/** ennead-rt holds 512 descriptors. */
export const CLIENTS_MAX = 448;

export interface SocketClientPorts {
  readonly store: Pick<XenStore, 'introduce' | 'release'>;
  readonly eventChannels: Pick<EventChannels, 'allocUnbound' | 'unbind' | 'notify' | 'onEvent'>;
  /** Ring pages, by the number that stands for the client. */
  readonly pages: { make(domid: DomId): SharedRegion; remove(domid: DomId): void };
  readonly log: Log;
}

export class SocketClients {
  private readonly taken = new Set<DomId>();

  constructor(private readonly ports: SocketClientPorts) {}

  accept(socket: ByteStream): void {
    const domid = this.freeDomid();
    if (domid === null) {
      this.ports.log(`more than ${CLIENTS_MAX} connections: one is refused`);
      socket.close();
      return;
    }
    this.taken.add(domid);
    this.serve(domid, socket)
      .catch((error: unknown) => this.ports.log(`connection ${domid}: ${String(error)}`))
      .finally(() => this.taken.delete(domid));
  }

  private async serve(domid: DomId, socket: ByteStream): Promise<void> {
    const { store, eventChannels, pages } = this.ports;
    const page = pages.make(domid);
    const port = eventChannels.allocUnbound(XENSTORE_LOGIC_DOMID);
    const ring = new RingStream(page, eventChannels, port);
    try {
      await store.introduce(domid, 0, port);
      await new Promise((ended) => relay(socket, ring, ended));
      await store.release(domid);
    } finally {
      socket.close();
      ring.close();
      eventChannels.unbind(port);
      page.close();
      pages.remove(domid);
    }
  }

  private freeDomid(): DomId | null {
    for (let domid = FIRST_GUEST_DOMID; domid < FIRST_GUEST_DOMID + CLIENTS_MAX; domid += 1)
      if (!this.taken.has(domid)) return domid;
    return null;
  }
}
