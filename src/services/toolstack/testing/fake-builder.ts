/** For tests: Builder on the in-memory Xen, with the guests that it builds. */
import type { GuestSpec, ServiceStatus } from '../../../contracts/builder.ts';
import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID } from '../../../contracts/domids.ts';
import { RpcError } from '../../../kit/rpc.ts';
import type { BuiltDomain } from '../../../xen/memory/domain-control.ts';
import type { MemoryDomain, MemoryXen } from '../../../xen/memory/memory-xen.ts';
import type { DomId } from '../../../xen/ports.ts';
import type { Builder, Driver } from '../builder-client.ts';
import { type FakeBackEnds, NETWORK, STORAGE, TOOLSTACK } from './fake-back-ends.ts';
import { FakeGuestConsole } from './fake-guest-console.ts';

export interface FakeGuest {
  readonly domid: DomId;
  readonly spec: GuestSpec;
  readonly domain: MemoryDomain;
  readonly console: FakeGuestConsole;
  /** Gives the back ends the rings of its devices of this kind. */
  connect(kind: 'vbd' | 'vif'): Promise<void>;
}

const KNOWN_KERNELS = ['pvgrub', 'core'];

export class FakeBuilder implements Builder {
  readonly guests = new Map<DomId, FakeGuest>();
  readonly specs = new Map<DomId, GuestSpec>();
  driverList: Driver[] = [
    { domid: STORAGE, kind: 'storage', ready: true },
    { domid: NETWORK, kind: 'network', ready: true },
  ];
  hostStopped = false;
  xen!: MemoryXen;
  backEnds!: FakeBackEnds;

  /** What a guest does when it starts to run. */
  boot: (guest: FakeGuest) => void | Promise<void> = async ({ console, spec, connect }) => {
    console.print(`${spec.name} boots\r\n`);
    await connect('vbd');
    await connect('vif');
  };

  async createGuest(spec: GuestSpec) {
    const { boot } = spec;
    if (boot.type !== 'pv' || !KNOWN_KERNELS.includes(boot.kernel))
      throw new RpcError('unknown-image', 'no such kernel');
    const control = this.xen.domains;
    const context = 'system_u:system_r:guest_t';
    const domid = control.create({
      kind: 'pv',
      domid: 0,
      context,
      uuid: new Uint8Array(16),
      vcpus: spec.vcpus,
      memoryMib: spec.memoryMib,
      iommu: false,
    });
    const storePort = control.allocEventChannel(domid, XENSTORE_LOGIC_DOMID);
    const consolePort = control.allocEventChannel(domid, TOOLSTACK);
    const store = { domid: XENSTORE_LOGIC_DOMID, port: storePort };
    const console = { domid: TOOLSTACK, port: consolePort };
    const image = { kernelPath: `/images/${boot.kernel}.elf`, ramdiskPaths: [], cmdline: boot.cmdline };
    const gfns = control.build({ domid, memoryMib: spec.memoryMib, ...image, store, console, hardwareDomain: false });
    this.specs.set(domid, spec);
    const { xenstore } = this.xen.domain(BUILDER_DOMID);
    await xenstore.mkdir(`/local/domain/${domid}`);
    await xenstore.setPermissions(`/local/domain/${domid}`, [
      { domid: TOOLSTACK, access: 'none' },
      { domid, access: 'read' },
    ]);
    await xenstore.introduce(domid, gfns.storeGfn, storePort);
    return { domid, deviceModel: null, consolePort, storePort, ...gfns };
  }

  /** The in-memory Xen tells us that a domain's processor runs for the first time. */
  started(domain: MemoryDomain, built: BuiltDomain): void {
    const { domid } = domain;
    const { port } = built.build.console;
    domain.eventChannels.adopt(port);
    const console = new FakeGuestConsole(built.console, () => domain.eventChannels.notify(port));
    const connect: FakeGuest['connect'] = (kind) => this.backEnds.connect(domid, kind);
    const guest = { domid, spec: this.specs.get(domid)!, domain, console, connect };
    this.guests.set(domid, guest);
    queueMicrotask(() => this.guests.has(domid) && void this.boot(guest));
  }

  async unpause(domid: DomId): Promise<void> {
    this.xen.domains.unpause(domid);
  }

  async pause(domid: DomId): Promise<void> {
    this.xen.domains.pause(domid);
  }

  async destroy(domid: DomId): Promise<void> {
    if (!this.specs.delete(domid)) throw new RpcError('not-yours', `domain ${domid} is no guest`);
    this.guests.delete(domid);
    this.xen.domains.destroy(domid);
  }

  async drivers(): Promise<readonly Driver[]> {
    return this.driverList;
  }

  async services(): Promise<readonly ServiceStatus[]> {
    return [
      service('builder', BUILDER_DOMID, 96),
      service('blkback', STORAGE, 56),
      service('netback', NETWORK, 48),
      service('toolstack', TOOLSTACK, 56),
      { ...service('bootstrapper', 0, 192), domid: null, state: 'done' },
    ];
  }

  async trustRecords() {
    return [...this.specs].map(([domid, spec]) => ({
      domid,
      name: spec.name,
      role: 'guest' as const,
      label: 'system_u:system_r:guest_t',
      parent: TOOLSTACK,
      services: spec.backends,
      devices: [],
      memoryAccess: [{ by: TOOLSTACK, what: 'console-ring' as const, why: 'serves its console' }],
    }));
  }

  async shutdownHost(): Promise<void> {
    this.hostStopped = true;
  }
}

function service(name: string, domid: DomId, memoryMib: number): ServiceStatus {
  return {
    name,
    job: `is ${name}`,
    domid,
    memoryMib,
    state: 'running',
    upSince: '2024-01-01T00:00:00.000Z',
    resets: 0,
  };
}
