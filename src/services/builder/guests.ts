/** Guests, as a toolstack asks for them: each request is checked against the asker's record in the trust list. */
import type { GuestBuilt, GuestSpec, MemoryAccess } from '../../contracts/builder.ts';
import { XENSTORE_LOGIC_DOMID } from '../../contracts/domids.ts';
import type { DomId, PvImage } from '../../xen/ports.ts';
import type { KnownImages, StoredImage } from './known-images.ts';
import type { Ledger } from './ledger.ts';
import type { BuilderPorts } from './ports.ts';
import { ignoring, orRefused, refusal } from './refusals.ts';
import { commonAccess, type VmPlan, type Vms } from './vms.ts';
import { guestHome } from './xenstore-homes.ts';

/** What a guest costs Xen beside its own memory: its vcpus, page tables, grant and event tables. */
const OVERHEAD_MIB = 4;
const KIB_PER_MIB = 1024;

export class Guests {
  constructor(
    private readonly ports: BuilderPorts,
    private readonly ledger: Ledger,
    private readonly vms: Vms,
    private readonly images: KnownImages,
  ) {}

  async create(caller: DomId, spec: GuestSpec): Promise<GuestBuilt> {
    this.checkBackends(caller, spec.backends);
    const image = this.imageOf(spec);
    this.checkMemory(spec);
    const domid = this.ledger.takeGuestDomid((candidate) => this.ports.domains.info(candidate) === null);
    if (domid === null) throw refusal('no-domid', 'every domid is taken');
    const loaded = await orRefused(`guest ${spec.name}`, async () =>
      this.vms.load(await this.vms.create(guestPlan(caller, domid, spec, image))),
    );
    const { storeGfn, storePort, consoleGfn, consolePort } = loaded;
    return { domid, deviceModel: null, storeGfn, storePort, consoleGfn, consolePort };
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
    const { domains } = this.ports;
    return orRefused(`domain ${domid}`, async () => {
      if (domains.info(domid)?.paused) domains.unpause(domid);
    });
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

  private imageOf({ boot }: GuestSpec): PvImage {
    if (boot.type !== 'pv') throw refusal('unknown-image', 'Builder has no firmware');
    const ramdisk = boot.ramdisk === undefined ? [] : [this.known('ramdisk', boot.ramdisk).path];
    return { kernelPath: this.known('kernel', boot.kernel).path, ramdiskPaths: ramdisk, cmdline: boot.cmdline };
  }

  private known(kind: StoredImage['kind'], name: string): StoredImage {
    const image = this.images.find(kind, name);
    if (image) return image;
    const names = this.images.list().flatMap((other) => (other.kind === kind ? [other.name] : []));
    throw refusal('unknown-image', `no ${kind} is called ${name}; there are: ${names.join(', ') || 'none'}`);
  }

  private checkMemory({ name, memoryMib }: GuestSpec): void {
    const freeMib = Math.floor(this.ports.host.physical().freeKib / KIB_PER_MIB);
    if (memoryMib + OVERHEAD_MIB > freeMib)
      throw refusal('no-memory', `guest ${name} needs ${memoryMib + OVERHEAD_MIB} MiB; ${freeMib} MiB are free`);
  }
}

function guestPlan(caller: DomId, domid: DomId, spec: GuestSpec, image: PvImage): VmPlan {
  const backends = [...new Set(spec.backends)];
  return {
    domid,
    name: spec.name,
    role: 'guest',
    type: 'guest',
    parent: caller,
    uuid: uuidBytes(spec.uuid),
    memoryMib: spec.memoryMib,
    vcpus: spec.vcpus,
    image,
    console: caller,
    services: [XENSTORE_LOGIC_DOMID, caller, ...backends],
    memoryAccess: [
      ...commonAccess,
      { by: caller, what: 'console-ring', why: 'serves its console (grant 0)' },
      ...backends.map(
        (by): MemoryAccess => ({ by, what: 'granted-pages', why: 'rings and data pages that the guest grants it' }),
      ),
    ],
    nodes: guestHome(domid, caller),
  };
}

function uuidBytes(uuid: string): Uint8Array {
  return Uint8Array.from(uuid.replaceAll('-', '').match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
