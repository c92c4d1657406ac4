/** XenStore-State and XenStore-Logic on the in-memory Xen, with clients that treat their rings exactly as Linux does. */

import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../src/contracts/domids.ts';
import { WAITING_OFFSET } from '../../../src/contracts/xenstore-state.ts';
import { writeRing } from '../../../src/kit/ring.ts';
import { connectXenStore } from '../../../src/kit/xenstore-client.ts';
import { onDomainException, onEvent, onStart, onWake } from '../../../src/services/xenstore-logic/logic.ts';
import type { LogicPorts } from '../../../src/services/xenstore-logic/ports.ts';
import { contentsOf } from '../../../src/services/xenstore-logic/state-client.ts';
import { connectState } from '../../../src/services/xenstore-logic/state-link.ts';
import { serveState } from '../../../src/services/xenstore-state/serve.ts';
import { MemoryXen } from '../../../src/xen/memory/memory-xen.ts';
import { DOMID_SELF, type EventPort, type SharedRegion, VIRQ_DOM_EXC } from '../../../src/xen/ports.ts';
import type { XenStore } from '../../../src/xen/xenstore-port.ts';
import { LinuxRing } from './linux-ring.ts';

const context = 'system_u:system_r:guest_t';

export interface SplitStoreOptions {
  readonly seed?: number;
  /** Logic starts before State. */
  readonly logicFirst?: boolean;
}

export class SplitStore {
  readonly xen: MemoryXen;
  readonly log: string[] = [];
  private readonly storePorts = new Map<number, EventPort>();
  private readonly regions = new Map<number, SharedRegion>();
  private box: Uint8Array | null = null;
  private readonly statePage: number;
  /** Requests that crossed from Logic to State. */
  crossings = 0;

  private constructor(seed: number) {
    this.xen = new MemoryXen({ seed });
    for (const domid of [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID]) this.create(domid);
    this.statePage = this.build(XENSTORE_STATE_DOMID, 0);
    this.xen.domains.setVirqHandler(XENSTORE_LOGIC_DOMID, VIRQ_DOM_EXC);
    this.create(BUILDER_DOMID);
    this.build(BUILDER_DOMID, this.openStorePort(BUILDER_DOMID));
  }

  /** With State, Logic and Builder; Builder's connection is there. */
  static start({ seed = 1, logicFirst = false }: SplitStoreOptions = {}): SplitStore {
    const store = new SplitStore(seed);
    if (logicFirst) store.xen.later(XENSTORE_STATE_DOMID, () => store.startState());
    else store.startState();
    store.startLogic();
    return store;
  }

  startState(): void {
    const { foreignMemory, grants, eventChannels } = this.xen.domain(XENSTORE_STATE_DOMID);
    const page = foreignMemory.map(DOMID_SELF, [this.statePage], true);
    serveState({ page, grants, eventChannels, rootOwner: BUILDER_DOMID, log: (line) => this.log.push(line) });
  }

  /** Every handler gets fresh ports and no object of an earlier one: what the heap's rollback does on ennead-rt. */
  startLogic(): void {
    const { grants, eventChannels } = this.xen.domain(XENSTORE_LOGIC_DOMID);
    const link = connectState(grants.map(XENSTORE_STATE_DOMID, [1], true), eventChannels);
    const contents = grants.map(XENSTORE_STATE_DOMID, contentsOf(link), false);
    const virq = eventChannels.bindVirq(VIRQ_DOM_EXC);
    const wakeUp = eventChannels.allocUnbound(XENSTORE_LOGIC_DOMID);
    const wake = eventChannels.bindInterdomain(XENSTORE_LOGIC_DOMID, wakeUp);
    const ports = (): LogicPorts => ({
      box: {
        read: () => this.box?.slice() ?? null,
        write: (bytes) => {
          this.box = bytes.slice();
        },
      },
      rings: {
        map: (domid) => this.keep(grants.map(domid, [1], true)),
        at: (ring) => this.region(ring),
        unmap: (ring) => {
          this.region(ring).close();
          this.regions.delete(ring);
        },
      },
      eventChannels: {
        bindInterdomain: (domid, port) => {
          const local = eventChannels.bindInterdomain(domid, port);
          eventChannels.onEvent(local, () => onEvent(ports(), local));
          return local;
        },
        unbind: (port) => eventChannels.unbind(port),
        notify: (port) => eventChannels.notify(port),
      },
      state: {
        exchange: (message) => {
          this.crossings += 1;
          return link.exchange(message);
        },
        settle: () => link.settle(),
      },
      contents,
      actsAs: (domid) => domid,
      domains: () => this.xen.domains.list(),
      wake: () => eventChannels.notify(wake),
      log: (line) => this.log.push(line),
    });
    eventChannels.onEvent(virq, () => onDomainException(ports()));
    eventChannels.onEvent(wakeUp, () => onWake(ports()));
    onStart(ports(), [{ domid: BUILDER_DOMID, port: this.storePortOf(BUILDER_DOMID) }]);
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
    this.create(domid);
    const port = this.openStorePort(domid);
    this.build(domid, port);
    const home = `/local/domain/${domid}`;
    await builder.mkdir(home);
    await builder.setPermissions(home, [{ domid, access: 'none' }]);
    await builder.write(`${home}/domid`, String(domid));
    await builder.introduce(domid, 0, port);
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
    this.xen.domains.create({ domid, context, uuid: new Uint8Array(16), vcpus: 1, memoryMib: 32, iommu: false });
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
