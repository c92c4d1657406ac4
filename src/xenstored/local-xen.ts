/** Grants and event channels between the programs of one host, as far as XenStore needs them. See layout.ts. */
import * as rt from 'ennead:rt';
import {
  type DomId,
  type EventChannels,
  type EventPort,
  type Grants,
  PortError,
  type SharedRegion,
} from '../xen/ports.ts';
import { sharedRegion } from '../xen/real/adapter.ts';
import {
  EVENT_BYTES,
  eventPipe,
  FREE,
  type Inbox,
  inboxes,
  inboxOf,
  PENDING,
  PORTS_FILE_BYTES,
  PORTS_MAX,
  pagesFile,
  portNumber,
  portsFile,
  recordOffset,
  UNBOUND,
} from './layout.ts';

const PAGE_BYTES = 4096;
const PAGES_MODE = 0o600;
/** Of pages that a program shares itself; the builder's own grants come before. */
const FIRST_REF = 8;
/** Of the pages that it keeps. */
const KEPT_REF = 1 << 16;

export class LocalXen {
  /** Of every program: the records of its ports, and its pipe. */
  private readonly places = new Map<number, { readonly table: SharedRegion; readonly pipe: number }>();
  private readonly handlers = new Map<EventPort, () => void>();
  private nextRef = FIRST_REF;

  constructor(
    private readonly folder: string,
    private readonly domid: DomId,
    private readonly inbox: Inbox,
  ) {
    for (const each of Object.values(inboxes)) {
      const table = sharedRegion(rt.regionFile(this.at(portsFile(each)), PORTS_FILE_BYTES / PAGE_BYTES, true));
      this.places.set(each, { table, pipe: rt.open(this.at(eventPipe(each)), 'r+') });
    }
  }

  /** A program that starts again has none of its predecessor's ports. */
  closeAllPorts(): void {
    this.place(this.inbox).table.write(0, new Uint8Array(PORTS_FILE_BYTES));
    while (this.take() !== null);
  }

  /** One handler for all events, those of ports included that are opened later. */
  handleEvents(handler: (port: EventPort) => void): void {
    rt.onReadable(this.place(this.inbox).pipe, () => {
      const port = this.take();
      if (port !== null) handler(port);
    });
  }

  /** The number of a region: what a program has whose heap is rolled back. */
  mapNumbered(domid: DomId, ref: number, pages: number, writable: boolean): number {
    return rt.regionFile(this.at(pagesFile(domid, ref)), pages, writable);
  }

  /** Zeroed pages of `domid`. Whoever has mapped its former ones keeps those. */
  makePages(domid: DomId, ref: number, pages: number): SharedRegion {
    const path = this.at(pagesFile(domid, ref));
    this.removePages(domid, ref);
    const file = rt.open(path, 'w', PAGES_MODE);
    rt.ftruncate(file, pages * PAGE_BYTES);
    rt.close(file);
    return sharedRegion(rt.regionFile(path, pages, true));
  }

  removePages(domid: DomId, ref: number): void {
    const path = this.at(pagesFile(domid, ref));
    if (rt.stat(path) !== null) rt.unlink(path);
  }

  readonly grants: Grants = {
    map: (domid, refs, writable) => sharedRegion(this.mapNumbered(domid, refs[0]!, refs.length, writable)),
    share: (_, pages) => {
      const first = this.nextRef;
      this.nextRef += pages;
      const refs = Array.from({ length: pages }, (_, index) => first + index);
      return { region: this.makePages(this.domid, first, pages), refs };
    },
    keep: (_, pages) => {
      const path = this.at(pagesFile(this.domid, KEPT_REF));
      if (rt.stat(path) === null) {
        rt.writeFile(`${path}.new`, new Uint8Array(pages * PAGE_BYTES), PAGES_MODE);
        rt.rename(`${path}.new`, path);
      }
      const region = sharedRegion(this.mapNumbered(this.domid, KEPT_REF, pages, true));
      return { region, refs: Array.from({ length: pages }, (_page, index) => KEPT_REF + index) };
    },
  };

  readonly eventChannels: EventChannels = {
    allocUnbound: () => this.allocate(UNBOUND),
    bindInterdomain: (_, remote) => {
      const table = this.places.get(inboxOf(remote))?.table;
      if (!table || table.load32(recordOffset(remote)) === FREE)
        throw new PortError('EINVAL', 'bindInterdomain', `port ${remote} is not open`);
      const port = this.allocate(remote);
      table.store32(recordOffset(remote), port);
      // Whoever was bound to it before may have ended just before its event was in the pipe.
      table.store32(recordOffset(remote) + PENDING, 0);
      return port;
    },
    // Nobody dies here without a word.
    bindVirq: () => this.allocate(UNBOUND),
    unbind: (port) => {
      this.handlers.delete(port);
      const remote = this.remoteOf(port);
      this.place(this.inbox).table.store32(recordOffset(port), FREE);
      if (remote !== null && this.remoteOf(remote) === port)
        this.tableOf(remote).store32(recordOffset(remote), UNBOUND);
    },
    notify: (port) => {
      const remote = this.remoteOf(port);
      if (remote !== null) this.signal(remote);
    },
    onEvent: (port, handler) => {
      if (this.handlers.size === 0) this.handleEvents((fired) => this.handlers.get(fired)?.());
      this.handlers.set(port, handler);
    },
    wait: (port, timeoutMs) => {
      const deadlineMs = rt.monotonicMs() + timeoutMs;
      for (let leftMs = timeoutMs; leftMs > 0; leftMs = deadlineMs - rt.monotonicMs()) {
        if (!rt.waitReadable(this.place(this.inbox).pipe, leftMs)) return false;
        // Another port's event is one of an earlier life: whoever waits uses no other port.
        if (this.take() === port) return true;
      }
      return false;
    },
  };

  /** The next event. It can come again from here on. */
  private take(): EventPort | null {
    const bytes = rt.read(this.place(this.inbox).pipe, EVENT_BYTES);
    if (bytes?.length !== EVENT_BYTES) return null;
    const port = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    if (inboxOf(port) !== this.inbox) return null;
    this.tableOf(port).store32(recordOffset(port) + PENDING, 0);
    return port;
  }

  private signal(port: EventPort): void {
    const pending = recordOffset(port) + PENDING;
    if (this.tableOf(port).load32(pending) !== 0) return;
    this.tableOf(port).store32(pending, 1);
    const event = new Uint8Array(EVENT_BYTES);
    new DataView(event.buffer).setUint32(0, port, true);
    rt.write(this.place(inboxOf(port)).pipe, event);
  }

  private allocate(remote: EventPort | typeof UNBOUND): EventPort {
    const table = this.place(this.inbox).table;
    for (let index = 1; index < PORTS_MAX; index += 1) {
      const port = portNumber(this.inbox, index);
      if (table.load32(recordOffset(port)) !== FREE) continue;
      table.store32(recordOffset(port), remote);
      table.store32(recordOffset(port) + PENDING, 0);
      return port;
    }
    throw new PortError('ENOSPC', 'allocUnbound', `more than ${PORTS_MAX} ports`);
  }

  /** null: nobody is at the other end. */
  private remoteOf(port: EventPort): EventPort | null {
    const remote = this.tableOf(port).load32(recordOffset(port));
    return this.places.has(inboxOf(remote)) ? remote : null;
  }

  private tableOf(port: EventPort): SharedRegion {
    return this.place(inboxOf(port)).table;
  }

  private place(inbox: number): { readonly table: SharedRegion; readonly pipe: number } {
    const place = this.places.get(inbox);
    if (!place) throw new PortError('EINVAL', 'event channel', `there is no inbox ${inbox}`);
    return place;
  }

  private at(name: string): string {
    return `${this.folder}/${name}`;
  }
}
