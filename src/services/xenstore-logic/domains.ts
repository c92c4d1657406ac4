/** Clients coming and going: introduction, release, death. What State has to know of it is a change. */
import { BUILDER_DOMID, LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import { resetRings } from '../../kit/ring.ts';
import {
  CONNECTION_CONNECTED,
  CONNECTION_OFFSET,
  CONNECTION_RECONNECT,
  ERROR_OFFSET,
  ringErrors,
  SERVER_FEATURE_ERROR,
  SERVER_FEATURE_RECONNECTION,
  SERVER_FEATURES_OFFSET,
} from '../../wire/byte-ring.ts';
import type { DomId, EventPort } from '../../xen/ports.ts';
import type { BootClient } from './boot-clients.ts';
import { Change } from './changes.ts';
import type { Client, ClientTable } from './client-table.ts';
import type { Journal } from './journal.ts';
import type { LogicPorts } from './ports.ts';
import type { DomainRequests } from './request.ts';
import type { StateClient } from './state-client.ts';

export class Domains implements DomainRequests {
  constructor(
    private readonly ports: LogicPorts,
    private readonly table: ClientTable,
    private readonly state: StateClient,
    private readonly journal: Journal,
  ) {}

  /** Builder introduces connections of other kinds, too. */
  knows(asker: DomId, domid: DomId): boolean {
    return asker === BUILDER_DOMID || this.isDomain(domid);
  }

  isIntroduced(domid: DomId): boolean {
    return this.isDomain(domid) && this.table.of(domid) !== undefined;
  }

  introduce(domid: DomId, port: EventPort): Change | 'EINVAL' {
    this.disconnectIfThere(domid);
    const client = this.connect(domid, port);
    if (!client) {
      this.state.ask('forget', { domid });
      return 'EINVAL';
    }
    const ring = this.ports.rings.at(client.ring);
    resetRings(ring);
    ring.store32(CONNECTION_OFFSET, CONNECTION_CONNECTED);
    return new Change('introduce', { domid, port, announce: this.isDomain(domid) });
  }

  release(domid: DomId): Change | 'ENOENT' {
    // State's word counts: a handler that failed may have got as far as the table.
    const { connections } = this.state.ask('connections', {});
    if (!connections.some((connection) => connection.domid === domid)) return 'ENOENT';
    this.disconnectIfThere(domid);
    return this.departure([domid], []);
  }

  /** @source docs/misc/xenstore-ring.txt, "Connection" */
  reconnectIfWanted(client: Client): void {
    const ring = this.ports.rings.at(client.ring);
    if (ring.load32(CONNECTION_OFFSET) !== CONNECTION_RECONNECT) return;
    this.state.ask('reconnect', { domid: client.domid });
    Object.assign(client, { unsent: false, partial: false, broken: false });
    resetRings(ring);
    ring.store32(ERROR_OFFSET, ringErrors.none);
    // Last: who comes after a handler that ended before this does all of it again.
    ring.store32(CONNECTION_OFFSET, CONNECTION_CONNECTED);
    this.ports.eventChannels.notify(client.port);
  }

  /** Dead domains are forgotten, their pages unmapped: a domid is free only then. One that has shut down is announced once. */
  lookForTheGone(): Change | null {
    const alive = new Map(this.ports.domains().map((info) => [info.domid, info]));
    const { connections } = this.state.ask('connections', {});
    const domains = connections.filter(({ domid }) => this.isDomain(domid));
    const isGone = (domid: DomId): boolean => alive.get(domid)?.dying ?? true;
    const gone = domains.map(({ domid }) => domid).filter(isGone);
    const shut = domains.filter(({ domid, shutdown }) => !shutdown && !isGone(domid) && alive.get(domid)?.shutdown);
    for (const domid of gone) this.disconnectIfThere(domid);
    if (gone.length + shut.length === 0) return null;
    return this.departure(
      gone,
      shut.map(({ domid }) => domid),
    );
  }

  /** Rings are taken as they are: requests may wait in them, answers may be unread. The change: who could not be connected. */
  connectKnown(): Change | null {
    const { connections } = this.state.ask('connections', {});
    const gone = connections.filter(({ domid, port }) => !this.connect(domid, port)).map(({ domid }) => domid);
    if (gone.length === 0) return null;
    return this.departure(gone, []);
  }

  connectAtBoot({ domid, port }: BootClient): Change | null {
    const client = this.table.of(domid) ? null : this.connect(domid, port);
    if (!client) return null;
    client.waiting = true;
    return new Change('introduce', { domid, port, announce: false });
  }

  /** And not one of many connections of another domain. */
  private isDomain(domid: DomId): boolean {
    return this.ports.actsAs(domid) === domid;
  }

  /** A service's domid is its own for ever: built again it has its rights again. A guest's may become another guest's. */
  private departure(gone: readonly DomId[], shut: readonly DomId[]): Change {
    const domains = [...gone, ...shut].filter((domid) => this.isDomain(domid));
    const strangers = gone.filter((domid) => this.isDomain(domid) && domid > LAST_SERVICE_DOMID);
    return new Change('depart', { gone, strangers, shut, announce: domains.length > 0 });
  }

  private connect(domid: DomId, port: EventPort): Client | null {
    return this.journal.withHandles(() => this.open(domid, port));
  }

  private open(domid: DomId, port: EventPort): Client | null {
    const { rings, eventChannels, log } = this.ports;
    let ring: number | null = null;
    try {
      ring = rings.map(domid);
      rings.at(ring).store32(SERVER_FEATURES_OFFSET, SERVER_FEATURE_RECONNECTION | SERVER_FEATURE_ERROR);
      const client = this.table.add(domid, eventChannels.bindInterdomain(domid, port), ring);
      this.table.save();
      return client;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (ring !== null) rings.unmap(ring);
      log(`domain ${domid} cannot be connected: ${error.message}`);
      return null;
    }
  }

  private disconnect(client: Client): void {
    this.journal.withHandles(() => {
      this.table.remove(client);
      this.ports.eventChannels.unbind(client.port);
      this.ports.rings.unmap(client.ring);
      this.table.save();
    });
  }

  private disconnectIfThere(domid: DomId): void {
    const client = this.table.of(domid);
    if (client) this.disconnect(client);
  }
}
