/** Life and death of the in-memory Xen's domains, as DomainControl shows them. */
import { FIRST_GUEST_DOMID } from '../../contracts/domids.ts';
import {
  type DomainControl,
  type DomainInfo,
  type DomainSpec,
  type DomId,
  type HvmBuild,
  PortError,
  type PvBuild,
  type PvhBuild,
  type SharedRegion,
  type ShutdownReason,
  VIRQ_DOM_EXC,
} from '../ports.ts';
import type { EventChannelTable } from './event-channels.ts';
import type { MemoryTable } from './shared-memory.ts';

/** A built domain's own view of what the builder gave it. */
export interface BuiltDomain {
  readonly build: PvBuild | PvhBuild | HvmBuild;
  readonly store: SharedRegion;
  readonly console: SharedRegion;
}

type Kind = DomainSpec['kind'];

interface Domain {
  readonly kind: Kind;
  readonly domid: DomId;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly uuid: Uint8Array;
  context: string;
  paused: boolean;
  dying: boolean;
  shutdown: ShutdownReason | null;
  built: BuiltDomain | null;
  /** The domain that it emulates a PC for. */
  target: DomId | null;
  /** How often somebody has. */
  powerButtonPressed: number;
}

const CONSOLE_REF = 0;
const STORE_REF = 1;

export class DomainTable implements DomainControl {
  private readonly domains = new Map<DomId, Domain>();
  private readonly virqHandlers = new Map<number, DomId>();
  private readonly contexts: string[] = [];
  private lastDomid = FIRST_GUEST_DOMID - 1;

  /** `onStart`: a domain's vcpu runs for the first time. */
  constructor(
    private readonly channels: EventChannelTable,
    private readonly memory: MemoryTable,
    private readonly onStart: (domid: DomId, built: BuiltDomain) => void,
    private readonly onGone: (domid: DomId, gone: boolean) => void,
  ) {}

  /** A domain that is simply there and runs, for tests that do not build it. */
  addRunning(domid: DomId, context: string): void {
    this.insert(domid, { kind: 'pv', context, uuid: new Uint8Array(16), vcpus: 1, memoryMib: 32 });
    this.domain(domid, 'add').paused = false;
  }

  has(domid: DomId): boolean {
    return this.domains.has(domid);
  }

  built(domid: DomId): BuiltDomain {
    const built = this.domain(domid, 'built').built;
    if (!built) throw new Error(`domain ${domid} was created, not built`);
    return built;
  }

  list(): DomainInfo[] {
    return [...this.domains.values()].sort((a, b) => a.domid - b.domid).map((domain) => this.infoOf(domain));
  }

  info(domid: DomId): DomainInfo | null {
    const domain = this.domains.get(domid);
    return domain ? this.infoOf(domain) : null;
  }

  create(spec: DomainSpec): DomId {
    const domid = spec.domid || this.freeDomid();
    this.insert(domid, spec);
    return domid;
  }

  build(build: PvBuild): { storeGfn: number; consoleGfn: number } {
    return this.load('pv', build, 'domainBuildPv');
  }

  buildPvh(build: PvhBuild): { storeGfn: number; consoleGfn: number } {
    return this.load('pvh', build, 'domainBuildPvh');
  }

  buildHvm(build: HvmBuild): { storeGfn: number; consoleGfn: number } {
    return this.load('hvm', build, 'domainBuildHvm');
  }

  setTarget(deviceModel: DomId, guest: DomId): void {
    const operation = 'domainSetTarget';
    const emulator = this.domain(deviceModel, operation);
    const emulated = this.domain(guest, operation);
    const pair = `domain ${deviceModel} for domain ${guest}`;
    if (emulator === emulated || emulator.target !== null) throw new PortError('EINVAL', operation, pair);
    if (emulated.kind !== 'hvm') throw new PortError('EOPNOTSUPP', operation, pair);
    emulator.target = guest;
  }

  destroy(domid: DomId): void {
    const domain = this.domain(domid, 'domainDestroy');
    domain.dying = true;
    this.channels.removeDomain(domid);
    this.memory.removeDomain(domid);
    this.domainException();
    this.reap();
    this.onGone(domid, true);
  }

  pause(domid: DomId): void {
    this.domain(domid, 'domainPause').paused = true;
  }

  unpause(domid: DomId): void {
    const domain = this.domain(domid, 'domainUnpause');
    if (!domain.paused) return;
    domain.paused = false;
    if (domain.built) this.onStart(domid, domain.built);
  }

  shutdown(domid: DomId, reason: ShutdownReason): void {
    const domain = this.domain(domid, 'domainShutdown');
    // The first reason counts.
    if (domain.shutdown !== null) return;
    domain.shutdown = reason;
    this.domainException();
    this.onGone(domid, false);
  }

  pressPowerButton(domid: DomId): void {
    const domain = this.domain(domid, 'domainPowerButton');
    if (domain.kind !== 'hvm') throw new PortError('EINVAL', 'domainPowerButton', `domain ${domid} is ${domain.kind}`);
    domain.powerButtonPressed += 1;
  }

  /** As its own system would notice it. */
  powerButtonPressed(domid: DomId): number {
    return this.domain(domid, 'powerButtonPressed').powerButtonPressed;
  }

  allocEventChannel(domid: DomId, remote: DomId): number {
    this.domain(domid, 'domainAllocEvtchn');
    return this.channels.allocUnbound(domid, remote, 'by-builder');
  }

  setVirqHandler(domid: DomId, virq: number): void {
    this.domain(domid, 'domainSetVirqHandler');
    this.virqHandlers.set(virq, domid);
  }

  relabel(domid: DomId, context: string): void {
    this.domain(domid, 'flaskRelabel').context = context;
  }

  contextOf(domid: DomId): string | null {
    return this.domains.get(domid)?.context ?? null;
  }

  /** A dead domain's number is free once nobody maps its pages and nobody emulates a PC for it. */
  reap(): void {
    let more = true;
    while (more) {
      const free = [...this.domains.values()].filter(({ domid, dying }) => dying && this.holders(domid).length === 0);
      for (const { domid } of free) this.domains.delete(domid);
      more = free.length > 0;
    }
  }

  /** The domains that keep a dead one's number from being free. */
  holders(domid: DomId): DomId[] {
    const emulators = [...this.domains.values()].filter(({ target }) => target === domid);
    return [...this.memory.mappedBy(domid), ...emulators.map((emulator) => emulator.domid)];
  }

  private load(kind: Kind, build: BuiltDomain['build'], operation: string): { storeGfn: number; consoleGfn: number } {
    const domain = this.domain(build.domid, operation);
    if (domain.kind !== kind) throw new PortError('EINVAL', operation, `domain ${build.domid} is ${domain.kind}`);
    if (domain.built) throw new PortError('EBUSY', operation, `domain ${build.domid}`);
    const console = this.memory.seed(build.domid, CONSOLE_REF, build.console.domid);
    const store = this.memory.seed(build.domid, STORE_REF, build.store.domid);
    domain.built = { build, store: store.region, console: console.region };
    return { storeGfn: store.gfn, consoleGfn: console.gfn };
  }

  private insert(domid: DomId, spec: Omit<DomainSpec, 'domid' | 'iommu'>): void {
    if (this.domains.has(domid)) throw new PortError('EEXIST', 'domainCreate', `domain ${domid}`);
    const { kind, context, uuid, vcpus, memoryMib } = spec;
    const state = { paused: true, dying: false, shutdown: null, built: null, target: null, powerButtonPressed: 0 };
    this.domains.set(domid, { kind, domid, context, uuid, vcpus, memoryMib, ...state });
    this.channels.addDomain(domid);
    this.memory.addDomain(domid);
  }

  private domainException(): void {
    const handler = this.virqHandlers.get(VIRQ_DOM_EXC);
    if (handler !== undefined) this.channels.raiseVirq(handler, VIRQ_DOM_EXC);
  }

  private freeDomid(): DomId {
    do this.lastDomid += 1;
    while (this.domains.has(this.lastDomid));
    return this.lastDomid;
  }

  private domain(domid: DomId, operation: string): Domain {
    const domain = this.domains.get(domid);
    if (!domain || domain.dying) throw new PortError('ESRCH', operation, `domain ${domid}`);
    return domain;
  }

  private infoOf({ domid, context, paused, dying, shutdown, memoryMib, vcpus }: Domain): DomainInfo {
    if (!this.contexts.includes(context)) this.contexts.push(context);
    const running = !paused && !dying && shutdown === null;
    const state = { dying, paused, blocked: false, running, shutdown };
    const memory = { memoryKib: memoryMib * 1024, maxMemoryKib: memoryMib * 1024 };
    return { domid, ssid: this.contexts.indexOf(context) + 1, ...state, ...memory, vcpus, cpuTimeNs: 0n };
  }
}
