/** A host for Builder's tests: the in-memory Xen as Bootstrapper leaves it, a PCIBack and a Toolstack that do what a test says. */
import { BUILDER_LINK, type GuestSpec, stateNode } from '../../../contracts/builder.ts';
import { contextOf } from '../../../contracts/flask-contexts.ts';
import { type Controller, pcibackMethods } from '../../../contracts/pci-handover.ts';
import { type AcceptedLinks, acceptLinks } from '../../../kit/link-accept.ts';
import { offerLink } from '../../../kit/link-offer.ts';
import { type RpcPeer, rpcMethod, rpcPeer } from '../../../kit/rpc.ts';
import { MemoryXen } from '../../../xen/memory/memory-xen.ts';
import type { DomainControl, DomainSpec, DomId, FileStat, HvmBuild, PvBuild, PvhBuild } from '../../../xen/ports.ts';
import type { XenStore } from '../../../xen/xenstore-port.ts';
import { Builder } from '../builder.ts';
import type { RecoveryBox } from '../ports.ts';

export const BOOTSTRAPPER = 0;
export const PCIBACK = 1;
export const LOGIC = 3;
export const BUILDER = 4;
export const TOOLSTACK = 5;
/** In the order in which `disk` and `card` get their VMs. */
export const NETBACK = 6;
export const BLKBACK = 7;

const ids = { vendor: 0x8086, device: 0x1234 };
export const disk: Controller = { bdf: '0000:00:03.0', kind: 'storage', classCode: 0x010601, ...ids };
export const card: Controller = { bdf: '0000:00:04.0', kind: 'network', classCode: 0x020000, ...ids };

export const guestSpec = (change: Partial<GuestSpec> = {}): GuestSpec => ({
  name: 'web',
  uuid: '01234567-89ab-cdef-0123-456789abcdef',
  memoryMib: 64,
  vcpus: 1,
  boot: { type: 'pv', kernel: 'pvgrub', cmdline: '(hd0)/boot/grub/menu.lst' },
  backends: [NETBACK, BLKBACK],
  ...change,
});

export interface Hand {
  readonly bdf: string;
  readonly domid: DomId;
  readonly isolated: boolean;
}

class MemoryBox implements RecoveryBox {
  private bytes: Uint8Array | null = null;
  read(): Uint8Array | null {
    return this.bytes;
  }
  write(bytes: Uint8Array): void {
    this.bytes = bytes;
  }
}

export class World {
  readonly xen = new MemoryXen({
    privileged: [BUILDER],
    onStart: ({ domid }) => {
      if (domid === LOGIC && this.logicWorks) this.answerAgain();
    },
  });
  readonly lines: string[] = [];
  readonly specs = new Map<DomId, DomainSpec>();
  readonly builds = new Map<DomId, PvBuild>();
  readonly pvhBuilds = new Map<DomId, PvhBuild>();
  readonly hvmBuilds = new Map<DomId, HvmBuild>();
  /** In the order in which Builder destroyed them. */
  readonly destroyed: DomId[] = [];
  /** Whom Builder has chosen to be told of dead domains. */
  readonly virqHandlers: DomId[] = [];
  /** false: each new XenStore-Logic ends at once. */
  logicWorks = true;
  /** What PCIBack was asked. */
  readonly hands: Hand[] = [];
  readonly returns: Hand[] = [];
  powerOff: { readonly label: string | null; readonly paused: boolean } | null = null;
  /** What PCIBack answers to device.hand. */
  onHand: (hand: Hand) => void = () => {};
  /** Throws what Xen shall refuse. */
  onBuild: (build: PvBuild | PvhBuild | HvmBuild) => void = () => {};
  onSetTarget: (deviceModel: DomId, guest: DomId) => void = () => {};
  files: Record<string, number> = {
    '/images/pvgrub.elf': 1000,
    '/images/pvgrub-pvh.bin': 900,
    '/images/core.elf': 2000,
    '/images/hvmloader': 3000,
    '/images/bios-256k.bin': 4000,
    '/images/guest/tiny.elf': 10,
    '/images/guest/tiny.cpio': 20,
    '/images/guest/notes.txt': 30,
    '/images/host-config.cpio': 512,
  };
  freeKib = 1024 * 1024;
  iommu = true;
  hvm = true;
  /** While XenStore-Logic's VM has ended. */
  private silence: Promise<void> | null = null;
  private answerAgain: () => void = () => {};
  private endBuilder: () => Promise<void> = async () => {};
  private readonly box = new MemoryBox();
  pciback!: RpcPeer;

  constructor() {
    this.xen.add(BOOTSTRAPPER, contextOf('dom0_t'));
    this.xen.add(PCIBACK, contextOf('pciback_t'));
    this.xen.add(LOGIC, contextOf('xenstore_logic_t'));
    this.xen.add(BUILDER, contextOf('builder_t'));
  }

  /** A Builder process; a second one in the same world has the first one's recovery box. */
  async startBuilder(parameters: Record<string, string> = {}): Promise<void> {
    const { grants, eventChannels, clock } = this.xen.domain(BUILDER);
    await this.endBuilder();
    const xenstore = this.xen.xenstore.connect(BUILDER);
    const accepted: AcceptedLinks[] = [];
    this.endBuilder = async () => {
      for (const links of accepted) await links.close();
      xenstore.close();
    };
    const builder = new Builder(
      {
        domains: this.control(),
        host: {
          physical: () => ({
            cpus: 2,
            totalKib: 0,
            freeKib: this.freeKib,
            cpuKhz: 0,
            hvm: this.hvm,
            iommu: this.iommu,
          }),
        },
        files: { stat: (path) => this.stat(path), list: (path) => this.list(path) },
        store: this.waitingForLogic(xenstore),
        clock,
        box: this.box,
        log: (line) => void this.lines.push(line),
        acceptLinks: async (client, onLink) => {
          accepted.push(await acceptLinks({ grants, eventChannels, xenstore }, { name: BUILDER_LINK, client }, onLink));
        },
      },
      parameters,
    );
    await builder.start();
    await this.xen.settle();
  }

  /** PCIBack comes up, with these controllers. */
  async report(...controllers: Controller[]): Promise<void> {
    const link = await offerLink(this.xen.domain(PCIBACK), { name: BUILDER_LINK, server: BUILDER });
    const asked = (list: Hand[]) => (hand: Hand) => {
      list.push(hand);
      if (list === this.hands) this.onHand(hand);
    };
    this.pciback = rpcPeer(link, {
      'controllers.list': rpcMethod(pcibackMethods['controllers.list'], () => ({ controllers })),
      'device.hand': rpcMethod(pcibackMethods['device.hand'], asked(this.hands)),
      'device.return': rpcMethod(pcibackMethods['device.return'], asked(this.returns)),
      'power.off': rpcMethod(pcibackMethods['power.off'], () => {
        const paused = this.xen.domains.info(PCIBACK)?.paused ?? true;
        this.powerOff = { label: this.xen.domains.contextOf(PCIBACK), paused };
      }),
    });
    await this.xen.settle();
  }

  /** XenStore-Logic's VM ends, and nobody is told. What Builder asks XenStore from now on waits until there is one again. */
  endLogic(): void {
    this.silence ??= new Promise((resolve) => {
      this.answerAgain = () => {
        this.silence = null;
        resolve();
      };
    });
    this.xen.domains.shutdown(LOGIC, 'crash');
  }

  async say(domid: DomId, state: string): Promise<void> {
    await this.xen.xenstore.connect(domid).write(stateNode(domid), state);
    await this.xen.settle();
  }

  /** A host with a disk and a network card, all at work. */
  async boot(parameters: Record<string, string> = {}): Promise<void> {
    await this.startBuilder(parameters);
    await this.report(disk, card);
    await this.say(NETBACK, 'ready');
    await this.say(BLKBACK, 'ready');
  }

  async toolstack(): Promise<RpcPeer> {
    const peer = rpcPeer(await offerLink(this.xen.domain(TOOLSTACK), { name: BUILDER_LINK, server: BUILDER }), {});
    await this.xen.settle();
    return peer;
  }

  node(path: string): string | undefined {
    return this.xen.xenstore.dump()[path];
  }

  nodes(below: string): Record<string, string> {
    return this.xen.xenstore.dump(below);
  }

  domids(): DomId[] {
    return this.xen.domains.list().map(({ domid }) => domid);
  }

  private waitingForLogic(store: XenStore): XenStore {
    const get = (target: XenStore, name: string | symbol): unknown => {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function' || !this.silence) return method;
      return (...request: unknown[]) => this.silence?.then(() => Reflect.apply(method, target, request));
    };
    return new Proxy(store, { get });
  }

  private control(): DomainControl {
    const { domains } = this.xen;
    return {
      list: () => domains.list(),
      info: (domid) => domains.info(domid),
      create: (spec) => {
        this.specs.set(spec.domid, spec);
        return domains.create(spec);
      },
      build: (build) => {
        this.onBuild(build);
        this.builds.set(build.domid, build);
        return domains.build(build);
      },
      buildPvh: (build) => {
        this.onBuild(build);
        this.pvhBuilds.set(build.domid, build);
        return domains.buildPvh(build);
      },
      buildHvm: (build) => {
        this.onBuild(build);
        this.hvmBuilds.set(build.domid, build);
        return domains.buildHvm(build);
      },
      setTarget: (deviceModel, guest) => {
        this.onSetTarget(deviceModel, guest);
        domains.setTarget(deviceModel, guest);
      },
      destroy: (domid) => {
        domains.destroy(domid);
        this.destroyed.push(domid);
      },
      pause: (domid) => domains.pause(domid),
      unpause: (domid) => {
        domains.unpause(domid);
        if (domid === LOGIC && !this.logicWorks) domains.shutdown(LOGIC, 'crash');
      },
      shutdown: (domid, reason) => domains.shutdown(domid, reason),
      pressPowerButton: (domid) => domains.pressPowerButton(domid),
      allocEventChannel: (domid, remote) => domains.allocEventChannel(domid, remote),
      setVirqHandler: (domid, virq) => {
        this.virqHandlers.push(domid);
        domains.setVirqHandler(domid, virq);
      },
      relabel: (domid, context) => domains.relabel(domid, context),
      contextOf: (domid) => domains.contextOf(domid),
    };
  }

  private stat(path: string): FileStat | null {
    const common = { allocated: 0, major: 0, minor: 0 };
    const size = this.files[path];
    if (size !== undefined) return { kind: 'file', size, ...common };
    const isFolder = Object.keys(this.files).some((file) => file.startsWith(`${path}/`));
    return isFolder ? { kind: 'directory', size: 0, ...common } : null;
  }

  private list(path: string): string[] {
    return Object.keys(this.files).flatMap((file) =>
      file.startsWith(`${path}/`) ? [file.slice(path.length + 1)] : [],
    );
  }
}
