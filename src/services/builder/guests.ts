/** Guests, as a toolstack asks for them: each request is checked against the asker's record in the trust list. */
import { type GuestBoot, type GuestBuilt, type GuestSpec, PV_GRUB } from '../../contracts/builder.ts';
import type { DomId } from '../../xen/ports.ts';
import { deviceModelPlan, guestNeedsMib, guestPlan, type PlannedGuest } from './guest-plans.ts';
import { type KnownImages, PVH_GRUB, type StoredImage } from './known-images.ts';
import type { Ledger } from './ledger.ts';
import type { BuilderPorts } from './ports.ts';
import { ignoring, orRefused, refusal } from './refusals.ts';
import type { LoadedVm, VmContent, Vms } from './vms.ts';

const KIB_PER_MIB = 1024;
const noHvm = (type: GuestBoot['type']) =>
  `this host's processor offers no hardware virtualisation (AMD-V or VT-x): guests of type ${type} cannot run here`;

export class Guests {
  constructor(
    private readonly ports: BuilderPorts,
    private readonly ledger: Ledger,
    private readonly vms: Vms,
    private readonly images: KnownImages,
  ) {}

  async create(caller: DomId, spec: GuestSpec): Promise<GuestBuilt> {
    this.checkBackends(caller, spec.backends);
    const content = this.contentOf(spec.boot);
    this.checkMemory(spec);
    const domid = this.takeDomid();
    const deviceModel = content.kind === 'hvm' ? this.takeDomid() : null;
    const loaded = await orRefused(`guest ${spec.name}`, () =>
      this.build({ caller, spec, content, domid, deviceModel }),
    );
    const { storeGfn, storePort, consoleGfn, consolePort } = loaded;
    return { domid, deviceModel, storeGfn, storePort, consoleGfn, consolePort };
  }

  /** A guest with its Qemu VM, or neither. */
  private async build(guest: PlannedGuest): Promise<LoadedVm> {
    const loaded = await this.vms.load(await this.vms.create(guestPlan(guest)));
    const { domid, deviceModel } = guest;
    if (deviceModel !== null) await this.vms.orTakeApart(domid, () => this.buildDeviceModel(guest, deviceModel));
    return loaded;
  }

  private async buildDeviceModel(guest: PlannedGuest, domid: DomId): Promise<void> {
    await this.vms.load(await this.vms.create(deviceModelPlan(guest, domid)));
    // From here on it may do to this one domain what its manifest says of its own guest.
    await this.vms.orTakeApart(domid, async () => this.ports.domains.setTarget(domid, guest.domid));
  }

  /** Its disks and cards are described by now: what comes while a Linux lists its devices, it may never see (decision 11). */
  startDeviceModel(caller: DomId, guest: DomId): Promise<void> {
    this.checkOwn(caller, guest);
    const domid = this.ledger.emulatorOf(guest);
    if (domid === null) throw refusal('not-yours', `domain ${guest} has no Qemu VM`);
    return this.startPaused(domid);
  }

  private takeDomid(): DomId {
    const domid = this.ledger.takeGuestDomid((candidate) => this.ports.domains.info(candidate) === null);
    if (domid === null) throw refusal('no-domid', 'every domid is taken');
    return domid;
  }

  /** Xen counts pauses; here a guest is paused or it is not. */
  pause(caller: DomId, domid: DomId): Promise<void> {
    this.checkOwn(caller, domid);
    const { domains } = this.ports;
    return orRefused(`domain ${domid}`, async () => {
      if (!domains.info(domid)?.paused) domains.pause(domid);
    });
  }

  unpause(caller: DomId, domid: DomId): Promise<void> {
    this.checkOwn(caller, domid);
    return this.startPaused(domid);
  }

  private startPaused(domid: DomId): Promise<void> {
    const { domains } = this.ports;
    return orRefused(`domain ${domid}`, async () => {
      if (domains.info(domid)?.paused) domains.unpause(domid);
    });
  }

  pressPowerButton(caller: DomId, domid: DomId): Promise<void> {
    this.checkOwn(caller, domid);
    return orRefused(`domain ${domid}`, async () => this.ports.domains.pressPowerButton(domid));
  }

  reset(caller: DomId, domid: DomId): Promise<void> {
    this.checkOwn(caller, domid);
    return orRefused(`domain ${domid}`, async () => this.ports.domains.shutdown(domid, 'reboot'));
  }

  destroy(caller: DomId, domid: DomId): Promise<void> {
    this.checkOwn(caller, domid);
    return orRefused(`domain ${domid}`, () => this.vms.takeApart(domid));
  }

  /** For the end of the host: nobody is left to ask for it. */
  async destroyAll(): Promise<void> {
    for (const { record } of this.ledger.entries())
      if (record.role === 'guest') await ignoring(['ESRCH'], () => this.vms.takeApart(record.domid));
  }

  private checkOwn(caller: DomId, domid: DomId): void {
    const record = this.ledger.get(domid)?.record;
    if (record?.role !== 'guest' || record.parent !== caller)
      throw refusal('not-yours', `domain ${domid} is not a guest of domain ${caller}`);
  }

  private checkBackends(caller: DomId, backends: readonly DomId[]): void {
    const own = this.ledger.get(caller)?.record.services ?? [];
    for (const backend of backends)
      if (!own.includes(backend) || !this.ledger.get(backend)?.driver)
        throw refusal('not-allowed', `domain ${backend} is not a back end that domain ${caller} may use`);
  }

  private contentOf(boot: GuestBoot): VmContent {
    if (boot.type !== 'pv' && !this.ports.host.physical().hvm) throw refusal('no-hvm', noHvm(boot.type));
    if (boot.type !== 'hvm') {
      const kernel = boot.type === 'pvh' && boot.kernel === PV_GRUB ? PVH_GRUB : boot.kernel;
      const kernelPath = this.known('kernel', kernel).path;
      const ramdiskPaths = boot.ramdisk === undefined ? [] : [this.known('ramdisk', boot.ramdisk).path];
      return { kind: boot.type, image: { kernelPath, ramdiskPaths, cmdline: boot.cmdline } };
    }
    const hvmloaderPath = this.known('firmware', 'hvmloader').path;
    const firmwarePath = this.known('firmware', boot.firmware).path;
    const { apic, hpet, videoMib, clockOffsetSeconds } = boot;
    return {
      kind: 'hvm',
      image: { hvmloaderPath, firmwarePath, apic, hpet },
      machine: { videoMib, clockOffsetSeconds },
    };
  }

  private known(kind: StoredImage['kind'], name: string): StoredImage {
    const image = this.images.find(kind, name);
    if (image) return image;
    const names = this.images.list().flatMap((other) => (other.kind === kind ? [other.name] : []));
    throw refusal('unknown-image', `no ${kind} is called ${name}; there are: ${names.join(', ') || 'none'}`);
  }

  private checkMemory(spec: GuestSpec): void {
    const freeMib = Math.floor(this.ports.host.physical().freeKib / KIB_PER_MIB);
    const neededMib = guestNeedsMib(spec);
    if (neededMib > freeMib)
      throw refusal('no-memory', `guest ${spec.name} needs ${neededMib} MiB; ${freeMib} MiB are free`);
  }
}
