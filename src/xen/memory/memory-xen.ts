/**
 * A whole Xen in memory, for tests and simulation: domains, grants, event channels, XenStore, one virtual clock, and an order of events
 * that is drawn from a seed.
 *
 *   const xen = new MemoryXen({ seed: 7 });
 *   const client = xen.add(5), server = xen.add(4);          // two domains that run
 *   client.eventChannels.allocUnbound(4) …                    // ports as the domain's program sees them
 *   await xen.settle();                                       // until nothing is under way
 *   expect(xen.leftovers()).toEqual([]);
 */
import type { DomainControl, DomId, EventChannels, ForeignMemory, Grants } from '../ports.ts';
import type { XenStore } from '../xenstore-port.ts';
import { type BuiltDomain, DomainTable } from './domain-control.ts';
import { EventChannelTable } from './event-channels.ts';
import { Scheduler } from './scheduler.ts';
import { MemoryTable } from './shared-memory.ts';
import { VirtualClock } from './virtual-clock.ts';
import { MemoryXenStore } from './xenstore.ts';

export interface MemoryXenOptions {
  readonly seed?: number;
  /** Domains that may read and write all of XenStore. Default: Builder and Toolstack. */
  readonly privileged?: readonly DomId[];
  /** What runs in a domain that was built and is unpaused for the first time. */
  readonly onStart?: (domain: MemoryDomain, built: BuiltDomain) => void;
}

/** The ports as one domain's program has them. */
export interface MemoryDomain {
  readonly domid: DomId;
  readonly grants: Grants;
  readonly foreignMemory: ForeignMemory;
  /** `adopt`: the domain's kernel takes over a port that the builder made for it. */
  readonly eventChannels: EventChannels & { adopt(port: number): void };
  readonly control: DomainControl;
  readonly clock: VirtualClock;
  /** A connection of its own, as if the domain had been introduced. */
  readonly xenstore: XenStore;
}

const DEFAULT_CONTEXT = 'system_u:system_r:guest_t';

export class MemoryXen {
  private readonly scheduler: Scheduler;
  private readonly channels: EventChannelTable;
  private readonly memory = new MemoryTable(() => this.domains.reap());
  private readonly members = new Map<DomId, MemoryDomain>();
  readonly domains: DomainTable;
  readonly clock: VirtualClock;
  readonly xenstore: MemoryXenStore;

  constructor(options: MemoryXenOptions = {}) {
    this.scheduler = new Scheduler(options.seed ?? 1);
    this.clock = new VirtualClock(() => this.settle());
    this.channels = new EventChannelTable(this.scheduler);
    this.xenstore = new MemoryXenStore(this.clock, options.privileged);
    this.domains = new DomainTable(
      this.channels,
      this.memory,
      (domid, built) => options.onStart?.(this.domain(domid), built),
      (domid, gone) => this.ended(domid, gone),
    );
  }

  /** A domain that runs from now on, with a home in XenStore. */
  add(domid: DomId, context: string = DEFAULT_CONTEXT): MemoryDomain {
    this.domains.addRunning(domid, context);
    this.xenstore.addHome(domid);
    return this.domain(domid);
  }

  /** The ports of a domain that exists. */
  domain(domid: DomId): MemoryDomain {
    if (!this.domains.has(domid)) throw new Error(`no domain ${domid}`);
    const known = this.members.get(domid);
    if (known) return known;
    const domain = {
      domid,
      grants: this.memory.grantsOf(domid),
      foreignMemory: this.memory.foreignOf(domid),
      eventChannels: this.channels.portsOf(domid),
      control: this.domains,
      clock: this.clock,
      xenstore: this.xenstore.connect(domid),
    };
    this.members.set(domid, domain);
    return domain;
  }

  /** Runs a domain's program at some later moment, in the middle of another's blocking wait perhaps. */
  later(domid: DomId, run: () => void): void {
    this.scheduler.add({ to: domid, run });
  }

  /** A domain's program ends, and its kernel closes what it had open. */
  endProgram(domid: DomId): void {
    this.channels.endProgram(domid);
    this.memory.endProgram(domid);
  }

  settle(): Promise<void> {
    return this.scheduler.settle();
  }

  /** What programs still hold, one line each: nothing after a clean end. */
  leftovers(): string[] {
    const held = this.domains.list().flatMap(({ domid, dying }) => {
      if (dying) return [`domain ${domid}: dead, still held by ${this.domains.holders(domid).join(', ')}`];
      const ports = this.channels.openPorts(domid).map((port) => `domain ${domid}: port ${port}`);
      const regions = this.memory.openRegions(domid);
      return regions > 0 ? [...ports, `domain ${domid}: ${regions} regions`] : ports;
    });
    const watches = this.xenstore.watchesLeft;
    return watches > 0 ? [...held, `${watches} watches`] : held;
  }

  private ended(domid: DomId, gone: boolean): void {
    if (gone) this.members.delete(domid);
    this.xenstore.domainGone(domid, gone);
  }
}
