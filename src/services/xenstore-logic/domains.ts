/** Clients coming and going: introduction, release, death. */
import { resetRings } from '../../kit/ring.ts';
import {
  CONNECTION_CONNECTED,
  CONNECTION_OFFSET,
  SERVER_FEATURE_ERROR,
  SERVER_FEATURES_OFFSET,
} from '../../wire/byte-ring.ts';
import type { DomId, EventPort } from '../../xen/ports.ts';
import type { Client, ClientTable } from './client-table.ts';
import type { LogicPorts } from './ports.ts';
import type { DomainRequests, Firing } from './request.ts';
import type { StateClient } from './state-client.ts';

export class Domains implements DomainRequests {
  constructor(
    private readonly ports: LogicPorts,
    private readonly table: ClientTable,
    private readonly state: StateClient,
    private readonly fire: (firing: Firing) => void,
  ) {}

  isIntroduced(domid: DomId): boolean {
    return this.isDomain(domid) && this.table.of(domid) !== undefined;
  }

  introduce(domid: DomId, port: EventPort): boolean {
    const former = this.table.of(domid);
    if (former) this.disconnect(former);
    const client = this.connect(domid, port);
    if (!client) {
      if (former) this.state.ask('release', { domid });
      return false;
    }
    const ring = this.ports.rings.at(client.ring);
    resetRings(ring);
    ring.store32(CONNECTION_OFFSET, CONNECTION_CONNECTED);
    this.state.ask('introduce', { domid, port });
    if (this.isDomain(domid)) this.announce('@introduceDomain');
    return true;
  }

  release(domid: DomId): boolean {
    const client = this.table.of(domid);
    if (!client) return false;
    this.forget(client);
    if (this.isDomain(domid)) this.announce('@releaseDomain');
    return true;
  }

  resume(domid: DomId): boolean {
    const client = this.table.of(domid);
    if (client) client.shutdown = false;
    return client !== undefined;
  }

  /** A dead domain is forgotten, its pages unmapped: its domid is free only then. One that has shut down is announced once. */
  lookForTheGone(): void {
    const alive = new Map(this.ports.domains().map((info) => [info.domid, info]));
    const changed = this.table.all().filter((client) => {
      const info = alive.get(client.domid);
      const gone = !info || info.dying;
      if (gone) this.forget(client);
      const shutNow = !gone && info.shutdown !== null && !client.shutdown;
      if (shutNow) client.shutdown = true;
      return gone || shutNow;
    });
    if (changed.length > 0) this.announce('@releaseDomain');
  }

  /** Rings are taken as they are: requests may wait in them, answers may be unread. */
  connectAll(atBoot: readonly { domid: DomId; port: EventPort }[]): void {
    const { connections } = this.state.ask('connections', {});
    const known = new Set(connections.map(({ domid }) => domid));
    for (const { domid, port } of connections) {
      const client = this.connect(domid, port);
      if (!client) {
        this.state.ask('release', { domid });
        continue;
      }
      Object.assign(client, { waiting: true, unsent: true, partial: true });
      // Of what was last written to it, or taken from it, it may not have been told.
      this.ports.eventChannels.notify(client.port);
    }
    for (const { domid, port } of atBoot) {
      if (known.has(domid)) continue;
      const client = this.connect(domid, port);
      if (!client) continue;
      this.state.ask('introduce', { domid, port });
      client.waiting = true;
    }
  }

  /** And not one of many connections of another domain. */
  private isDomain(domid: DomId): boolean {
    return this.ports.actsAs(domid) === domid;
  }

  private connect(domid: DomId, port: EventPort): Client | null {
    const { rings, eventChannels, log } = this.ports;
    let ring: number | null = null;
    try {
      ring = rings.map(domid);
      rings.at(ring).store32(SERVER_FEATURES_OFFSET, SERVER_FEATURE_ERROR);
      return this.table.add(domid, eventChannels.bindInterdomain(domid, port), ring);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (ring !== null) rings.unmap(ring);
      log(`domain ${domid} cannot be connected: ${error.message}`);
      return null;
    }
  }

  private disconnect(client: Client): void {
    this.table.remove(client);
    this.ports.eventChannels.unbind(client.port);
    this.ports.rings.unmap(client.ring);
  }

  private forget(client: Client): void {
    this.disconnect(client);
    this.state.ask('release', { domid: client.domid });
  }

  private announce(path: string): void {
    this.fire(this.state.ask('special', { path }));
  }
}
