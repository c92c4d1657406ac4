/** Clients coming and going: introduction, release, death. What State has to know of it is a change. */
import { BUILDER_DOMID, LAST_SERVICE_DOMID } from '../../contracts/domids.ts';
import type { LimitKind } from '../../contracts/xenstore-limits.ts';
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
import { limitKindOf } from './limits.ts';
import type { LogicPorts } from './ports.ts';
import type { DomainRequests } from './request.ts';
import type { StateClient } from './state-client.ts';

const NOBODY: ReadonlySet<DomId> = new Set();

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

  /** A service's domid is its own, whether or not it has been built yet: homes are written before their VMs start. */
  absent(named: readonly DomId[]): ReadonlySet<DomId> {
    const isKnown = (domid: DomId): boolean => domid <= LAST_SERVICE_DOMID || this.table.of(domid) !== undefined;
    const unsure = named.filter((domid) => !this.isDomain(domid) || !isKnown(domid));
    if (unsure.length === 0) return NOBODY;
    const alive = this.alive();
    return new Set(unsure.filter((domid) => !this.isDomain(domid) || !alive.has(domid)));
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
    return new Change('introduce', { domid, port, limits: this.limitsOf(domid), announce: this.isDomain(domid) });
  }

  release(domid: DomId): Change | 'ENOENT' {
    // State's word counts: a handler that failed may have got as far as the table.
    const { connections } = this.state.ask('connections', {});
    if (!connections.some((connection) => connection.domid === domid)) return 'ENOENT';
    this.disconnectIfThere(domid);
    return this.departure([domid], [], [domid]);
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

  /**
   * Dead domains are forgotten, their pages unmapped: a domid is free only then. One that has shut down is announced once. Of a domain that was never
   * introduced, only named, nobody is told.
   */
  lookForTheGone(): Change | null {
    const alive = this.alive();
    const { connections, named } = this.state.ask('connections', {});
    const domains = connections.filter(({ domid }) => this.isDomain(domid));
    const gone = domains.map(({ domid }) => domid).filter((domid) => !alive.has(domid));
    const goneUnknown = named.filter((domid) => this.isDomain(domid) && !alive.has(domid));
    const shut = domains
      .filter(({ domid, shutdown }) => !shutdown && alive.get(domid)?.shutdown)
      .map(({ domid }) => domid);
    for (const domid of gone) this.disconnectIfThere(domid);
    if (gone.length + goneUnknown.length + shut.length === 0) return null;
    return this.departure(gone, shut, [...gone, ...goneUnknown]);
  }

  /** Rings are taken as they are: requests may wait in them, answers may be unread. The change: who could not be connected. */
  connectKnown(): Change | null {
    const { connections } = this.state.ask('connections', {});
    const gone = connections.filter(({ domid, port }) => !this.connect(domid, port)).map(({ domid }) => domid);
    if (gone.length === 0) return null;
    const alive = this.alive();
    return this.departure(
      gone,
      [],
      gone.filter((domid) => !alive.has(domid)),
    );
  }

  connectAtBoot({ domid, port }: BootClient): Change | null {
    const client = this.table.of(domid) ? null : this.connect(domid, port);
    if (!client) return null;
    client.waiting = true;
    return new Change('introduce', { domid, port, limits: this.limitsOf(domid), announce: false });
  }

  private limitsOf(domid: DomId): LimitKind {
    return limitKindOf(this.ports.actsAs(domid));
  }

  /** And not one of many connections of another domain. */
  private isDomain(domid: DomId): boolean {
    return this.ports.actsAs(domid) === domid;
  }

  /** A service's domid is its own for ever: built again it has its rights again. A guest's may become another guest's. */
  private departure(gone: readonly DomId[], shut: readonly DomId[], dead: readonly DomId[]): Change {
    const domains = [...gone, ...shut].filter((domid) => this.isDomain(domid));
    const strangers = dead.filter((domid) => this.isDomain(domid) && domid > LAST_SERVICE_DOMID);
    return new Change('depart', { gone, strangers, shut, announce: domains.length > 0 });
  }

  /** Those that Xen still has, and not only because somebody holds a page of theirs. */
  private alive(): Map<DomId, ReturnType<LogicPorts['domains']>[number]> {
    const living = this.ports.domains().filter(({ dying }) => !dying);
    return new Map(living.map((info) => [info.domid, info]));
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
