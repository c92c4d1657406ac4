/** XenStore-State and XenStore-Logic on the in-memory Xen, with clients that treat their rings exactly as Linux does. */

import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../src/contracts/domids.ts';
import { STATE_PORT_OFFSET, WAITING_OFFSET } from '../../../src/contracts/xenstore-state.ts';
import { writeRing } from '../../../src/kit/ring.ts';
import { connectXenStore } from '../../../src/kit/xenstore-client.ts';
import { type Surroundings, serveLogic } from '../../../src/services/xenstore-logic/serve.ts';
import { serveState } from '../../../src/services/xenstore-state/serve.ts';
import { MemoryXen } from '../../../src/xen/memory/memory-xen.ts';
import {
  DOMID_SELF,
  type EventChannels,
  type EventPort,
  PortError,
  type SharedRegion,
  VIRQ_DOM_EXC,
} from '../../../src/xen/ports.ts';
import type { XenStore } from '../../../src/xen/xenstore-port.ts';
import { LinuxRing } from './linux-ring.ts';
import { KILLED, Life } from './mortal-ports.ts';

const CONTENTS_PAGES = 128;
const context = 'system_u:system_r:guest_t';

export interface SplitStoreOptions {
  readonly seed?: number;
  /** Logic starts before State; or while it starts, and finds its port, which has the number of its predecessor's, before it says that it is new. */
  readonly logicStarts?: 'before' | 'after' | 'meanwhile';
}

export class SplitStore {
  readonly xen: MemoryXen;
  readonly log: string[] = [];
  private readonly storePorts = new Map<number, EventPort>();
  private readonly regions = new Map<number, SharedRegion>();
  private box: Uint8Array | null = null;
  private readonly statePage: number;
  /** Of a State that has not got any further. */
  private statesPort: EventPort | null = null;
  /** Requests that crossed from Logic to State. */
  crossings = 0;
  /** How often Logic or State has ended as it was told to. */
  ends = 0;
  /** Those included that did not get as far as State. */
  startsOfLogic = 0;
  private life = new Life();
  private stateLife = new Life();
  /** They outlive State's process. */
  private readonly stateLog = new MemoryXen()
    .add(XENSTORE_STATE_DOMID)
    .grants.share(XENSTORE_STATE_DOMID, 1024, true).region;
  private stateSnapshot: Uint8Array | null = null;
  private poisonous: number | null = null;
  private how: 'rebuild' | 'fail' = 'rebuild';

  private constructor(seed: number) {
    this.xen = new MemoryXen({ seed });
    for (const domid of [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID]) this.create(domid);
    this.statePage = this.build(XENSTORE_STATE_DOMID, 0);
    this.xen.domains.setVirqHandler(XENSTORE_LOGIC_DOMID, VIRQ_DOM_EXC);
    this.create(BUILDER_DOMID);
    this.build(BUILDER_DOMID, this.openStorePort(BUILDER_DOMID));
  }

  /** With State, Logic and Builder; Builder's connection is there. */
  static start({ seed = 1, logicStarts = 'after' }: SplitStoreOptions = {}): SplitStore {
    const store = new SplitStore(seed);
    if (logicStarts === 'meanwhile') store.openStatesPort();
    if (logicStarts === 'after') store.startState();
    else store.xen.later(XENSTORE_STATE_DOMID, () => store.startState());
    store.startLogic();
    return store;
  }

  /** The first thing that State does. */
  private openStatesPort(): void {
    const { foreignMemory, eventChannels } = this.xen.domain(XENSTORE_STATE_DOMID);
    this.statesPort = eventChannels.allocUnbound(XENSTORE_LOGIC_DOMID);
    foreignMemory.map(DOMID_SELF, [this.statePage], true).store32(STATE_PORT_OFFSET, this.statesPort);
  }

  startState(): void {
    const life = new Life();
    this.stateLife = life;
    const { foreignMemory, grants, eventChannels } = this.xen.domain(XENSTORE_STATE_DOMID);
    const restart = (): void => this.restartState();
    const channels = life.mortal(eventChannels);
    life.within(
      () =>
        serveState({
          page: life.mortal(foreignMemory.map(DOMID_SELF, [this.statePage], true)),
          grants: life.mortalGrants(grants),
          contentsPages: CONTENTS_PAGES,
          eventChannels: {
            ...eventsForOne(channels, eventChannels, () => undefined),
            allocUnbound: (remote) => this.statesPort ?? channels.allocUnbound(remote),
            onEvent: (port, handler) => channels.onEvent(port, () => life.within(handler, restart)),
          },
          box: life.mortal({
            log: life.mortal(this.stateLog),
            readSnapshot: () => this.stateSnapshot,
            writeSnapshot: (bytes: Uint8Array) => {
              this.stateSnapshot = bytes.slice();
            },
          }),
          clock: {
            after: (delayMs, run) =>
              this.xen.clock.after(delayMs, () => {
                if (!life.isOver && this.stateLife === life) life.within(run, restart);
              }),
          },
          rootOwner: BUILDER_DOMID,
          log: (line) => this.log.push(line),
        }),
      restart,
    );
  }

  /** State's process ends after so many operations, and is started again. */
  endStateAfter(operations: number): void {
    this.stateLife.endAfter(operations);
  }

  /** State's process ends, and is started again, between two operations of Logic's. */
  restartStateAfter(operations: number): void {
    this.life.interruptAfter(operations, () => this.restartState());
  }

  restartState(): void {
    this.statesPort = null;
    this.ends += 1;
    this.xen.endProgram(XENSTORE_STATE_DOMID);
    this.startState();
  }

  startLogic(): void {
    this.startsOfLogic += 1;
    const life = new Life();
    this.life = life;
    const { grants, eventChannels } = this.xen.domain(XENSTORE_LOGIC_DOMID);
    const mortalGrants = life.mortalGrants(grants);
    let handle: (port: EventPort) => void = () => undefined;
    let recover: () => void = () => undefined;
    const channels = eventsForOne(life.mortal(eventChannels), eventChannels, (port) =>
      life.within(
        () => handle(port),
        () => this.ended(life, recover),
      ),
    );
    const surroundings: Surroundings = {
      box: {
        read: () => this.box?.slice() ?? null,
        write: (bytes) => {
          this.box = bytes.slice();
        },
      },
      rings: {
        map: (domid) => this.keep(this.poisoned(domid, mortalGrants.map(domid, [1], true))),
        at: (ring) => this.region(ring),
        unmap: (ring) => {
          this.region(ring).close();
          this.regions.delete(ring);
        },
      },
      actsAs: (domid) => domid,
      domains: () => this.xen.domains.list(),
      grants: mortalGrants,
      eventChannels: channels,
      linkChannels: this.counted(channels),
      handleEvents: (handler, onFailed) => {
        handle = handler;
        recover = onFailed;
      },
      startAgain: () => {
        // A failure within an exchange comes by here, too.
        if (!life.isOver) this.how = 'rebuild';
        throw KILLED;
      },
      log: (line) => {
        if (!life.isOver) this.log.push(line);
      },
    };
    const atBoot = [{ domid: BUILDER_DOMID, port: this.storePortOf(BUILDER_DOMID) }];
    life.within(
      () => this.orStartAgain(() => serveLogic(surroundings, atBoot)),
      () => this.rebuild(),
    );
  }

  /** A process that cannot start ends. */
  private orStartAgain(start: () => void): void {
    try {
      start();
    } catch (error) {
      if (!(error instanceof PortError)) throw error;
      throw KILLED;
    }
  }

  /**
   * Logic ends after so many operations on rings, pages and channels. `rebuild`: its VM is destroyed and built again. `fail`: its handler fails and
   * is rolled back.
   */
  endLogicAfter(operations: number, how: 'rebuild' | 'fail'): void {
    this.life.endAfter(operations);
    this.how = how;
  }

  /** Since they were started last. */
  get operations(): { readonly logic: number; readonly state: number } {
    return { logic: this.life.spent, state: this.stateLife.spent };
  }

  /** From its next start on, Logic fails whenever it reads what the domain has written. */
  failRequestsOf(domid: number): void {
    this.poisonous = domid;
  }

  private poisoned(domid: number, ring: SharedRegion): SharedRegion {
    if (domid !== this.poisonous) return ring;
    const read = (): never => {
      this.endLogicAfter(0, 'fail');
      throw KILLED;
    };
    return Object.assign(Object.create(ring) as SharedRegion, { read });
  }

  private ended(life: Life, recover: () => void): void {
    this.ends += 1;
    if (this.how === 'rebuild') this.rebuild();
    else {
      life.endAfter(Number.POSITIVE_INFINITY);
      life.within(recover, () => this.rebuild());
    }
  }

  private rebuild(): void {
    this.stopLogic();
    this.rebuildLogic();
  }

  /** The whole VM is destroyed. */
  stopLogic(): void {
    this.xen.domains.destroy(XENSTORE_LOGIC_DOMID);
    this.regions.clear();
    this.box = null;
  }

  /** … and built again at its domid. */
  rebuildLogic(): void {
    this.create(XENSTORE_LOGIC_DOMID);
    this.xen.domains.setVirqHandler(XENSTORE_LOGIC_DOMID, VIRQ_DOM_EXC);
    this.startLogic();
  }

  /** As if Logic had been stopped while it wrote a request. */
  leaveGarbageOnStateLink(): void {
    const page = this.xen.domain(XENSTORE_LOGIC_DOMID).grants.map(XENSTORE_STATE_DOMID, [1], true);
    writeRing(page, 'client', Uint8Array.of(200, 0, 0, 0, 1, 2, 3));
    page.store32(WAITING_OFFSET, 1);
    page.close();
  }

  /** The store as Builder sees it. */
  builder(): XenStore {
    return this.connect(BUILDER_DOMID);
  }

  /** A domain that Builder makes and introduces, with a home of its own. */
  async addClient(builder: XenStore, domid: number): Promise<XenStore> {
    await this.addRing(builder, domid);
    return this.connect(domid);
  }

  async addRing(builder: XenStore, domid: number): Promise<void> {
    const port = this.prepare(domid);
    const home = `/local/domain/${domid}`;
    await builder.mkdir(home);
    await builder.setPermissions(home, [{ domid, access: 'none' }]);
    await builder.write(`${home}/domid`, String(domid));
    await builder.introduce(domid, 0, port);
  }

  /** A domain that nobody has introduced yet; the port of its store channel. */
  prepare(domid: number): EventPort {
    this.create(domid);
    const port = this.openStorePort(domid);
    this.build(domid, port);
    return port;
  }

  connect(domid: number): XenStore {
    return connectXenStore(this.ring(domid), this.xen.clock);
  }

  /** The bare ring, for tests that misuse it. */
  ring(domid: number): LinuxRing {
    const port = this.storePortOf(domid);
    const { eventChannels } = this.xen.domain(domid);
    eventChannels.adopt(port);
    return new LinuxRing(this.xen.domains.built(domid).store, eventChannels, port);
  }

  private create(domid: number): void {
    const uuid = new Uint8Array(16);
    this.xen.domains.create({ kind: 'pv', domid, context, uuid, vcpus: 1, memoryMib: 32, iommu: false });
  }

  private build(domid: number, port: EventPort): number {
    const { storeGfn } = this.xen.domains.build({
      domid,
      memoryMib: 32,
      kernelPath: '',
      ramdiskPaths: [],
      cmdline: '',
      store: { domid: XENSTORE_LOGIC_DOMID, port },
      console: { domid: BUILDER_DOMID, port: 0 },
      hardwareDomain: false,
    });
    this.xen.domains.unpause(domid);
    return storeGfn;
  }

  private openStorePort(domid: number): EventPort {
    const port = this.xen.domains.allocEventChannel(domid, XENSTORE_LOGIC_DOMID);
    this.storePorts.set(domid, port);
    return port;
  }

  storePortOf(domid: number): EventPort {
    const port = this.storePorts.get(domid);
    if (port === undefined) throw new Error(`domain ${domid} has no store channel`);
    return port;
  }

  /** Logic waits for State once for each crossing at least. */
  private counted(channels: EventChannels): EventChannels {
    return {
      ...channels,
      wait: (port, timeoutMs) => {
        this.crossings += 1;
        return channels.wait(port, timeoutMs);
      },
    };
  }

  private keep(region: SharedRegion): number {
    const number = this.regions.size + 1 + Math.max(0, ...this.regions.keys());
    this.regions.set(number, region);
    return number;
  }

  private region(number: number): SharedRegion {
    const region = this.regions.get(number);
    if (!region) throw new Error(`no region ${number}`);
    return region;
  }
}

/** Event channels of a program that has one handler for all of its ports. */
function eventsForOne(
  channels: EventChannels,
  immortal: EventChannels,
  handler: (port: EventPort) => void,
): EventChannels {
  const handled = (port: EventPort): EventPort => {
    immortal.onEvent(port, () => handler(port));
    return port;
  };
  return {
    allocUnbound: (remote) => handled(channels.allocUnbound(remote)),
    bindInterdomain: (remote, port) => handled(channels.bindInterdomain(remote, port)),
    bindVirq: (virq) => handled(channels.bindVirq(virq)),
    unbind: (port) => channels.unbind(port),
    notify: (port) => channels.notify(port),
    onEvent: (port, own) => channels.onEvent(port, own),
    wait: (port, timeoutMs) => channels.wait(port, timeoutMs),
  };
}
