/** For tests: a real Toolstack on the in-memory Xen, with Builder, the driver VMs and guests simulated around it. */
import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID } from '../../../contracts/domids.ts';
import { MemoryXen } from '../../../xen/memory/memory-xen.ts';
import type { DomainInfo, DomId, HostInfo } from '../../../xen/ports.ts';
import type { NodePermission, XenStore } from '../../../xen/xenstore-port.ts';
import { Toolstack } from '../toolstack.ts';
import { FakeBackEnds, NETWORK, STORAGE, TOOLSTACK } from './fake-back-ends.ts';
import { FakeBuilder, type FakeGuest } from './fake-builder.ts';
import type { FakeQemu } from './fake-qemu.ts';

const STEP_MS = 100;
const STEPS_MAX = 5_000;
const NS_PER_MS = 1_000_000n;

export class SimulatedHost {
  readonly log: string[] = [];
  readonly builder = new FakeBuilder();
  readonly xen = new MemoryXen({
    onStart: (domain, built) => this.builder.started(domain, built),
  });
  readonly backEnds: FakeBackEnds;
  /** Guests that use all of their processor's time. */
  readonly busy = new Set<string>();
  private randomCalls = 0;

  constructor() {
    this.builder.xen = this.xen;
    for (const domid of [XENSTORE_LOGIC_DOMID, BUILDER_DOMID, STORAGE, NETWORK, TOOLSTACK]) this.xen.add(domid);
    const storeOf = (domid: DomId) => this.xen.domain(domid).xenstore;
    this.backEnds = new FakeBackEnds(storeOf(STORAGE), storeOf(NETWORK), storeOf(TOOLSTACK));
    this.builder.backEnds = this.backEnds;
  }

  /** Called once more it gives a Toolstack whose process has been started again. */
  async toolstack(): Promise<Toolstack> {
    if (this.xen.xenstore.watchesLeft === 0) {
      await makeHomes(this.xen.domain(BUILDER_DOMID).xenstore);
      await this.backEnds.start();
    }
    const { grants, eventChannels, clock, control } = this.xen.domain(TOOLSTACK);
    const toolstack = new Toolstack({
      clock,
      grants,
      eventChannels,
      xenstore: this.toolstackStore(),
      domains: { list: () => control.list(), info: (domid) => this.infoOf(domid) },
      host: hostInfo,
      builder: this.builder,
      blockDevices: this.backEnds.blockDevicesOf(() => this.xen.xenstore.dump()),
      ownDomid: TOOLSTACK,
      linuxVersion: '6.1.0-test',
      random: (length) => this.random(length),
      log: (line) => this.log.push(line),
    });
    await this.during(toolstack.start());
    return toolstack;
  }

  /** Lets time pass until `task` has ended. */
  async during<T>(task: Promise<T>): Promise<T> {
    let ended = false;
    const watched = task.finally(() => {
      ended = true;
    });
    watched.catch(() => {});
    for (let step = 0; step < STEPS_MAX; step += 1) {
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      if (ended) return watched;
      await this.xen.clock.advance(STEP_MS);
    }
    throw new Error(`still under way after ${(STEP_MS * STEPS_MAX) / 1000} s`);
  }

  /** Lets everything happen that is under way, and so much time pass. */
  async pass(durationMs = 0): Promise<void> {
    for (let passed = 0; passed <= durationMs; passed += STEP_MS) {
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      await this.xen.clock.advance(STEP_MS);
    }
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }

  guest(name: string): FakeGuest {
    const guest = [...this.builder.guests.values()].find(({ spec }) => spec.name === name);
    if (!guest) throw new Error(`no guest ${name} runs`);
    return guest;
  }

  /** The Qemu VM of a guest that runs. */
  qemu(name: string): FakeQemu {
    const { domid } = this.guest(name);
    const qemu = this.builder.qemus.get(domid);
    if (!qemu) throw new Error(`guest ${name} has no Qemu VM`);
    return qemu;
  }

  /** Guests that do what `control/shutdown` says. */
  async obeyShutdown(): Promise<void> {
    const store = this.xen.domain(BUILDER_DOMID).xenstore;
    await store.watch('/local/domain', async (changed) => {
      const match = /^\/local\/domain\/(\d+)\/control\/shutdown$/.exec(changed);
      const order = match ? await store.read(changed) : null;
      if (match && (order === 'poweroff' || order === 'reboot')) this.xen.domains.shutdown(Number(match[1]), order);
    });
  }

  /** XenStore's nodes of a domain and of what serves it. */
  traces(domid: DomId): string[] {
    const paths = Object.keys(this.xen.xenstore.dump());
    const own = new RegExp(
      `^/local/domain/${domid}(/|$)|^/local/domain/\\d+/backend/v(bd|if)/${domid}/|/ennead/guests/${domid}$`,
    );
    return paths.filter((path) => own.test(path) || path.startsWith('/vm/'));
  }

  /** The in-memory Xen knows no processor time. */
  private infoOf(domid: DomId): DomainInfo | null {
    const info = this.xen.domains.info(domid);
    const name = this.builder.specs.get(domid)?.name;
    if (!info || !name || !this.busy.has(name)) return info;
    return { ...info, cpuTimeNs: BigInt(Math.round(this.xen.clock.nowMs())) * NS_PER_MS };
  }

  /** XenStore-Logic lets Toolstack watch for ends; the in-memory one lets only the privileged. */
  private toolstackStore(): XenStore {
    const own = this.xen.domain(TOOLSTACK).xenstore;
    const builder = this.xen.domain(BUILDER_DOMID).xenstore;
    const watch: XenStore['watch'] = (path, handler) => (path.startsWith('@') ? builder : own).watch(path, handler);
    return Object.assign(Object.create(own) as XenStore, { watch });
  }

  private random(length: number): Uint8Array {
    this.randomCalls += 1;
    return Uint8Array.from({ length }, (_, index) => (this.randomCalls * 41 + index * 7) % 256);
  }
}

const hostInfo: HostInfo = {
  physical: () => ({ cpus: 2, totalKib: 2048 * 1024, freeKib: 1024 * 1024, cpuKhz: 2_000_000, hvm: true, iommu: true }),
  version: () => ({ version: '4.17.5', commandLine: 'flask=enforcing', compileDate: 'a day', changeset: 'abc' }),
  messages: () => '(XEN) all is well\n(d4) ennead[builder]: ready\n',
  enforcing: () => true,
};

/** The permissions that Builder gives: see src/services/builder/xenstore-homes.ts. */
async function makeHomes(store: XenStore): Promise<void> {
  const folder = async (path: string, ...permissions: NodePermission[]) => {
    await store.mkdir(path);
    await store.setPermissions(path, permissions);
  };
  const owner = (domid: DomId): NodePermission => ({ domid, access: 'none' });
  const both = (domid: DomId): NodePermission => ({ domid, access: 'both' });
  const reads = (domid: DomId): NodePermission => ({ domid, access: 'read' });
  await folder('/vm', owner(TOOLSTACK));
  for (const domid of [STORAGE, NETWORK, TOOLSTACK]) {
    const home = `/local/domain/${domid}`;
    await folder(home, owner(BUILDER_DOMID), reads(domid));
    await folder(`${home}/device`, owner(domid));
    await folder(`${home}/ennead`, owner(domid), reads(TOOLSTACK));
    if (domid !== TOOLSTACK) await folder(`${home}/backend`, owner(TOOLSTACK), both(domid));
  }
  await folder(`/local/domain/${STORAGE}/ennead/volume`, owner(STORAGE), both(TOOLSTACK));
  await folder(`/local/domain/${STORAGE}/ennead/volume/request`, owner(TOOLSTACK), both(STORAGE));
}
