/** For tests: Builder on the in-memory Xen, with the guests that it builds. */
import type { GuestSpec, ServiceStatus } from '../../../contracts/builder.ts';
import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID } from '../../../contracts/domids.ts';
import { RpcError } from '../../../kit/rpc.ts';
import type { BuiltDomain } from '../../../xen/memory/domain-control.ts';
import type { MemoryDomain, MemoryXen } from '../../../xen/memory/memory-xen.ts';
import type { DomId } from '../../../xen/ports.ts';
import type { NodePermission } from '../../../xen/xenstore-port.ts';
import type { Builder, Driver } from '../builder-client.ts';
import { type FakeBackEnds, NETWORK, STORAGE, TOOLSTACK } from './fake-back-ends.ts';
import { FakeGuestConsole } from './fake-guest-console.ts';
import { FakeQemu } from './fake-qemu.ts';

export interface FakeGuest {
  readonly domid: DomId;
  readonly spec: GuestSpec;
  readonly domain: MemoryDomain;
  readonly console: FakeGuestConsole;
  /** Gives the back ends the rings of its devices of this kind. */
  connect(kind: 'vbd' | 'vif'): Promise<void>;
}

const QEMU_MIB = 96;
const KNOWN_KERNELS = ['pvgrub', 'core'];

export class FakeBuilder implements Builder {
  readonly guests = new Map<DomId, FakeGuest>();
  readonly specs = new Map<DomId, GuestSpec>();
  driverList: Driver[] = [
    { domid: STORAGE, kind: 'storage', ready: true },
    { domid: NETWORK, kind: 'network', ready: true },
  ];
  /** By their guests' domids. */
  readonly qemus = new Map<DomId, FakeQemu>();
  private readonly guestsOfQemus = new Map<DomId, DomId>();
  hostStopped = false;
  xen!: MemoryXen;
  backEnds!: FakeBackEnds;

  /** What a guest does when it starts to run. */
  boot: (guest: FakeGuest) => void | Promise<void> = async ({ console, spec, connect }) => {
    console.print(`${spec.name} boots\r\n`);
    await connect('vbd');
    await connect('vif');
  };

  /** What a Qemu VM does when it starts to run. */
  startQemu: (qemu: FakeQemu) => void | Promise<void> = (qemu) => qemu.start();

  async createGuest(spec: GuestSpec) {
    const { boot } = spec;
    if (boot.type !== 'hvm' && !KNOWN_KERNELS.includes(boot.kernel))
      throw new RpcError('unknown-image', 'no such kernel');
    const built = await this.build(boot.type === 'hvm' ? 'hvm' : 'pv', spec);
    const { domid } = built;
    this.specs.set(domid, spec);
    const home = `/local/domain/${domid}`;
    await this.folder(home, { domid: TOOLSTACK, access: 'none' }, { domid, access: 'read' });
    const deviceModel = boot.type === 'hvm' ? await this.createQemu(spec, domid) : null;
    return { ...built, deviceModel };
  }

  /** It has its home, as src/services/builder/xenstore-homes.ts makes it. */
  private async createQemu(spec: GuestSpec, guest: DomId): Promise<DomId> {
    const { domid } = await this.build('pv', { vcpus: 1, memoryMib: QEMU_MIB });
    this.guestsOfQemus.set(domid, guest);
    const home = `/local/domain/${domid}`;
    await this.folder(home, { domid: BUILDER_DOMID, access: 'none' }, { domid, access: 'read' });
    await this.folder(`${home}/device`, { domid: TOOLSTACK, access: 'none' }, { domid, access: 'both' });
    await this.folder(`${home}/ennead`, { domid, access: 'none' }, { domid: TOOLSTACK, access: 'read' });
    const { xenstore } = this.xen.domain(BUILDER_DOMID);
    for (const [name, value] of Object.entries({ name: `${spec.name}-dm`, domid: String(domid) }))
      await xenstore.write(`${home}/${name}`, value);
    this.xen.domains.setTarget(domid, guest);
    return domid;
  }

  private async folder(path: string, ...permissions: NodePermission[]): Promise<void> {
    const { xenstore } = this.xen.domain(BUILDER_DOMID);
    await xenstore.mkdir(path);
    await xenstore.setPermissions(path, permissions);
  }

  private async build(kind: 'pv' | 'hvm', { vcpus, memoryMib }: Pick<GuestSpec, 'vcpus' | 'memoryMib'>) {
    const control = this.xen.domains;
    const context = 'system_u:system_r:guest_t';
    const size = { vcpus, memoryMib };
    const spec = { domid: 0, context, uuid: new Uint8Array(16), ...size, iommu: false };
    const domid = control.create(
      kind === 'pv' ? { kind, ...spec } : { kind, ...spec, videoMib: 16, clockOffsetSeconds: 0 },
    );
    const storePort = control.allocEventChannel(domid, XENSTORE_LOGIC_DOMID);
    const consolePort = control.allocEventChannel(domid, TOOLSTACK);
    const ends = {
      store: { domid: XENSTORE_LOGIC_DOMID, port: storePort },
      console: { domid: TOOLSTACK, port: consolePort },
    };
    const gfns =
      kind === 'hvm'
        ? control.buildHvm({ domid, ...size, ...ends, hvmloaderPath: '', firmwarePath: '', apic: true, hpet: true })
        : control.build({
            domid,
            memoryMib,
            ...ends,
            kernelPath: '',
            ramdiskPaths: [],
            cmdline: '',
            hardwareDomain: false,
          });
    await this.xen.domain(BUILDER_DOMID).xenstore.introduce(domid, gfns.storeGfn, storePort);
    return { domid, consolePort, storePort, ...gfns };
  }

  /** The in-memory Xen tells us that a domain's processor runs for the first time. */
  started(domain: MemoryDomain, built: BuiltDomain): void {
    const { domid } = domain;
    const ofQemu = this.guestsOfQemus.get(domid);
    if (ofQemu !== undefined) {
      const qemu = new FakeQemu(domain);
      this.qemus.set(ofQemu, qemu);
      queueMicrotask(() => void this.startQemu(qemu));
      return;
    }
    const { port } = built.build.console;
    domain.eventChannels.adopt(port);
    const console = new FakeGuestConsole(built.console, () => domain.eventChannels.notify(port));
    const connect: FakeGuest['connect'] = (kind) => this.backEnds.connect(domid, kind);
    const guest = { domid, spec: this.specs.get(domid)!, domain, console, connect };
    this.guests.set(domid, guest);
    queueMicrotask(() => this.guests.has(domid) && void this.boot(guest));
  }

  async startDeviceModel(guest: DomId): Promise<void> {
    for (const [qemu, itsGuest] of this.guestsOfQemus) if (itsGuest === guest) this.xen.domains.unpause(qemu);
  }

  async unpause(domid: DomId): Promise<void> {
    this.xen.domains.unpause(domid);
  }

  async pause(domid: DomId): Promise<void> {
    this.xen.domains.pause(domid);
  }

  async pressPowerButton(domid: DomId): Promise<void> {
    this.xen.domains.pressPowerButton(domid);
  }

  async reset(domid: DomId): Promise<void> {
    this.xen.domains.shutdown(domid, 'reboot');
  }

  async destroy(domid: DomId): Promise<void> {
    if (!this.specs.delete(domid)) throw new RpcError('not-yours', `domain ${domid} is no guest`);
    this.guests.delete(domid);
    for (const [qemu, guest] of this.guestsOfQemus) {
      if (guest !== domid) continue;
      this.guestsOfQemus.delete(qemu);
      this.qemus.delete(guest);
      this.xen.domains.destroy(qemu);
    }
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
