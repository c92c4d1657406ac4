/** Builder's life: it makes an end of domain 0, builds the drivers' VMs and Toolstack, and then serves Toolstack. */
import type { BootParameters } from '../../contracts/boot-parameters.ts';
import { BOOTSTRAPPER_DOMID, BUILDER_DOMID, PCIBACK_DOMID, TOOLSTACK_DOMID } from '../../contracts/domids.ts';
import { contextOf, domainTypes } from '../../contracts/flask-contexts.ts';
import type { Controller } from '../../contracts/pci-handover.ts';
import type { MessageLink } from '../../kit/link.ts';
import { rpcPeer } from '../../kit/rpc.ts';
import { countStart } from '../../kit/starts.ts';
import { Drivers, type PlannedDriver } from './drivers.ts';
import { firstVms } from './first-vms.ts';
import { Guests } from './guests.ts';
import { shutDownHost } from './host-shutdown.ts';
import { KnownImages } from './known-images.ts';
import { Ledger } from './ledger.ts';
import { LogicVm } from './logic-vm.ts';
import { PciBackLink } from './pciback-link.ts';
import type { BuilderPorts } from './ports.ts';
import { toolstackMethods } from './requests.ts';
import { refreshToolstackRecord, toolstackPlan } from './toolstack-vm.ts';
import { type CreatedVm, Vms } from './vms.ts';
import { foundations, pcibackHome, serviceHome, trustOf } from './xenstore-homes.ts';

interface DriverVm {
  readonly planned: PlannedDriver;
  readonly created: CreatedVm;
}

export class Builder {
  private readonly ledger: Ledger;
  readonly vms: Vms;
  readonly pciback: PciBackLink;
  readonly drivers: Drivers;
  readonly guests: Guests;
  private readonly images: KnownImages;
  private readonly logic: LogicVm;
  private goingDown = false;
  private setUpsAtWork = 0;

  constructor(
    private readonly ports: BuilderPorts,
    private readonly parameters: BootParameters,
  ) {
    this.ledger = new Ledger(ports.box);
    this.vms = new Vms(ports, this.ledger);
    this.pciback = new PciBackLink(ports, (controllers) => this.onControllers(controllers));
    this.drivers = new Drivers(ports, this.ledger, this.vms, this.pciback);
    this.images = new KnownImages(ports.files);
    this.logic = new LogicVm(ports, this.ledger, parameters.introduce ?? '');
    this.guests = new Guests(ports, this.ledger, this.vms, this.images);
  }

  /** Resolves when Builder listens; what it builds then comes by and by. */
  async start(): Promise<void> {
    // Before anything that waits for XenStore.
    this.logic.keep();
    if (!this.ledger.inherited) await this.begin();
    await this.pciback.accept();
    await this.ports.acceptLinks(TOOLSTACK_DOMID, (link) => this.serveToolstack(link));
    // A PCIBack that is held has no news; one that works is asked, and then the rest follows.
    if (this.pciback.retired) void this.drivers.resume();
    const { store, log } = this.ports;
    void countStart(store, BUILDER_DOMID, log);
  }

  private async begin(): Promise<void> {
    const { store, clock } = this.ports;
    const entries = firstVms(new Date(clock.wallClockMs()).toISOString());
    for (const entry of entries) this.ledger.put(entry);
    await store.make([
      ...foundations(),
      ...entries.map(({ record }) => trustOf(record)),
      ...pcibackHome(),
      ...serviceHome(BUILDER_DOMID, 'builder'),
    ]);
    this.destroyDomain0();
  }

  /** That this program runs says that domain 0 has done its work: Bootstrapper starts Builder last. */
  private destroyDomain0(): void {
    const { domains, log } = this.ports;
    try {
      domains.destroy(BOOTSTRAPPER_DOMID);
      log('domain 0 is destroyed');
    } catch (error) {
      // It has nothing left to do, but all its rights: the host works, and somebody should know.
      log(`domain 0 could not be destroyed: ${String(error)}`);
    }
  }

  private async onControllers(controllers: readonly Controller[]): Promise<void> {
    this.setUpsAtWork += 1;
    this.ports.log(`controllers: ${controllers.map(({ kind, bdf }) => `${kind} ${bdf}`).join(', ') || 'none'}`);
    try {
      await this.setUp(controllers);
    } finally {
      this.setUpsAtWork -= 1;
      if (this.setUpsAtWork === 0) await this.retirePciBack();
    }
  }

  /**
   * Every VM and its home exist before the first of them starts: Linux looks at its back ends once, then watches them, and never sees what is
   * described in between.
   */
  private async setUp(controllers: readonly Controller[]): Promise<void> {
    const settled: Promise<unknown>[] = [this.drivers.resume()];
    const [first, ...others] = await this.createDrivers(controllers);
    const toolstack = await this.createToolstack();
    const start = async ({ planned, created }: DriverVm): Promise<void> => {
      settled.push((await this.drivers.start(planned, created)).settled);
    };
    // One runs while the next is loaded. Toolstack waits for the first NetBack, and nobody for the rest.
    if (first) await start(first);
    if (toolstack) await this.startToolstack(toolstack);
    for (const driver of others) await start(driver);
    await Promise.all(settled);
  }

  private async createDrivers(controllers: readonly Controller[]): Promise<DriverVm[]> {
    const vms: DriverVm[] = [];
    for (const planned of this.drivers.plan(controllers)) {
      const created = await this.drivers.create(planned);
      if (created) vms.push({ planned, created });
    }
    await refreshToolstackRecord(this.ports, this.ledger);
    return vms;
  }

  /** Its card is an end of the first NetBack's, whose home has to be there before it. null: it is there already, or cannot be made. */
  private async createToolstack(): Promise<CreatedVm | null> {
    if (this.ledger.get(TOOLSTACK_DOMID)) return null;
    const network = this.drivers.list().find(({ kind, failure }) => kind === 'network' && failure === null);
    return this.orLogged(async () => {
      const created = await this.vms.create(toolstackPlan(this.ports.files, this.parameters, network?.domid ?? null));
      await refreshToolstackRecord(this.ports, this.ledger);
      return created;
    });
  }

  private async startToolstack(created: CreatedVm): Promise<void> {
    await this.orLogged(async () => {
      await this.vms.load(created);
      this.ports.domains.unpause(TOOLSTACK_DOMID);
    });
  }

  private async orLogged<T>(step: () => Promise<T>): Promise<T | null> {
    try {
      return await step();
    } catch (error) {
      this.ports.log(`toolstack could not be built: ${String(error)}`);
      return null;
    }
  }

  private async retirePciBack(): Promise<void> {
    if (this.goingDown || this.pciback.retired) return;
    this.pciback.retire();
    this.ports.log('pciback is paused and has no rights now');
    const entry = this.ledger.get(PCIBACK_DOMID);
    if (!entry) return;
    // The trust list says what is, not what was.
    const record = { ...entry.record, label: contextOf(domainTypes['pciback-retired']) };
    this.ledger.put({ ...entry, record });
    await this.ports.store.make([trustOf(record)]);
  }

  private serveToolstack(link: MessageLink): void {
    const { ports, ledger, guests, drivers, images } = this;
    const shutDown = (): void => this.shutDown();
    const shuttingDown = (): boolean => this.goingDown;
    const parts = { ports, ledger, guests, drivers, images, shutDown, shuttingDown };
    rpcPeer(link, toolstackMethods(parts, link.peer), {
      onInternalError: (method, error) => ports.log(`${method}: ${String(error)}`),
    });
  }

  /** Answers before it begins: the asker's own network goes down with it. */
  private shutDown(): void {
    this.goingDown = true;
    const { ports } = this;
    ports.clock.after(0, () => {
      shutDownHost(ports, this).catch((error: unknown) =>
        ports.log(`the host could not be powered off: ${String(error)}`),
      );
    });
  }
}
