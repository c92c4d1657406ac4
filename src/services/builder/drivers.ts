/**
 * Driver VMs, one for each controller that PCIBack reports. The steps of one overlap with those of the others, and the hand-over of the
 * device with the boot of its VM: Linux's PCI front end waits until PCIBack's back end is there.
 */
import { DRIVER_SETTLES_MS, type DriverStatus, isSettled, stateNode } from '../../contracts/builder.ts';
import { BUILDER_DOMID, PCIBACK_DOMID, XENSTORE_LOGIC_DOMID } from '../../contracts/domids.ts';
import type { Controller } from '../../contracts/pci-handover.ts';
import { serviceCatalogue } from '../../contracts/service-catalogue.ts';
import { serviceImage, serviceUuid } from '../../kit/service-vm.ts';
import type { DomId } from '../../xen/ports.ts';
import { freeDriverDomid } from './domids.ts';
import type { Driver, Ledger } from './ledger.ts';
import type { PciBackLink } from './pciback-link.ts';
import type { BuilderPorts } from './ports.ts';
import { type CreatedVm, commonAccess, type VmPlan, type Vms } from './vms.ts';
import { driverHome } from './xenstore-homes.ts';

const serviceOf = { storage: 'blkback', network: 'netback' } as const;

export interface PlannedDriver {
  readonly domid: DomId;
  readonly driver: Driver;
}

export class Drivers {
  private readonly statuses = new Map<DomId, DriverStatus>();
  private readonly inherited: PlannedDriver[];

  constructor(
    private readonly ports: BuilderPorts,
    ledger: Ledger,
    private readonly vms: Vms,
    private readonly pciback: PciBackLink,
  ) {
    this.inherited = ledger
      .entries()
      .flatMap(({ record, driver }) => (driver ? [{ domid: record.domid, driver }] : []));
    for (const { domid, driver } of this.inherited)
      this.statuses.set(domid, { domid, ...driver, ready: false, failure: null });
  }

  list(): DriverStatus[] {
    return [...this.statuses.values()];
  }

  /** Domids for the controllers that are new here. Network comes first: Toolstack waits for it. */
  plan(controllers: readonly Controller[]): PlannedDriver[] {
    const isolated = this.ports.host.physical().iommu;
    const known = new Set(this.list().map(({ bdf }) => bdf));
    const fresh = controllers.filter(({ bdf }) => !known.has(bdf));
    fresh.sort((a, b) => a.kind.localeCompare(b.kind) || a.bdf.localeCompare(b.bdf));
    return fresh.flatMap(({ kind, bdf }) => {
      const domid = freeDriverDomid((candidate) => this.statuses.has(candidate));
      if (domid === null) {
        this.ports.log(`controller ${bdf}: there is no domid left for its VM`);
        return [];
      }
      const driver = { kind, bdf, isolated };
      this.statuses.set(domid, { domid, ...driver, ready: false, failure: null });
      return [{ domid, driver }];
    });
  }

  /** The domain exists and its home is written: others may describe devices of it. */
  async create(planned: PlannedDriver): Promise<CreatedVm | null> {
    return this.orFailed(planned, () => this.vms.create(this.planOf(planned)));
  }

  /**
   * Resolves when the VM runs, or could not be started. `settled` resolves when it serves or has failed: that is in its status, and no reason
   * to stop the others.
   */
  async start(planned: PlannedDriver, created: CreatedVm): Promise<{ readonly settled: Promise<unknown> }> {
    const { domid, driver } = planned;
    // Loading takes this program's whole attention; meanwhile PCIBack works.
    const handed = this.pciback.hand(driver.bdf, domid, driver.isolated);
    const running = this.vms.load(created).then(() => this.ports.domains.unpause(domid));
    const settled = this.orFailed(planned, () => this.serves(planned, running, handed));
    await running.catch(() => undefined);
    return { settled };
  }

  private async serves(planned: PlannedDriver, running: Promise<void>, handed: Promise<void>): Promise<void> {
    const outcomes = await Promise.allSettled([running, handed]);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) {
      await this.abandon(planned);
      throw failed.reason;
    }
    await this.waitUntilReady(planned.domid);
  }

  /** A VM without its device, or a device without its VM: neither is any use. */
  private async abandon({ domid, driver }: PlannedDriver): Promise<void> {
    await this.vms.takeApart(domid);
    await this.pciback
      .takeBack(driver.bdf, domid, driver.isolated)
      .catch((error: unknown) => this.ports.log(`${driver.bdf} was not taken back: ${String(error)}`));
  }

  /** For the VMs that an earlier process started. What it was in the middle of is done again: PCIBack hands no device twice. */
  async resume(): Promise<void> {
    const waiting = this.inherited.splice(0).map((inherited) =>
      this.orFailed(inherited, async () => {
        const { bdf, isolated } = inherited.driver;
        if (!this.pciback.retired) await this.pciback.hand(bdf, inherited.domid, isolated);
        await this.waitUntilReady(inherited.domid);
      }),
    );
    await Promise.all(waiting);
  }

  private async waitUntilReady(domid: DomId): Promise<void> {
    const state = await this.ports.store.waitFor(
      stateNode(domid),
      (value) => (value !== null && isSettled(value) ? value : undefined),
      DRIVER_SETTLES_MS,
    );
    if (state !== 'ready') throw new Error(state);
    this.update(domid, { ready: true });
    this.ports.log(`domain ${domid} is ready`);
  }

  private async orFailed<T>({ domid, driver }: PlannedDriver, run: () => Promise<T>): Promise<T | null> {
    try {
      return await run();
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      this.update(domid, { failure });
      this.ports.log(`driver VM ${domid} for ${driver.bdf}: ${failure}`);
      return null;
    }
  }

  private update(domid: DomId, change: Partial<DriverStatus>): void {
    const status = this.statuses.get(domid);
    if (status) this.statuses.set(domid, { ...status, ...change });
  }

  private planOf({ domid, driver }: PlannedDriver): VmPlan {
    const service = serviceOf[driver.kind];
    const name = this.nameFor(domid, driver.kind);
    return {
      domid,
      name,
      role: 'service',
      type: service,
      parent: BUILDER_DOMID,
      uuid: serviceUuid(domid),
      memoryMib: serviceCatalogue[service].memoryMib,
      vcpus: 1,
      content: { kind: 'pv', image: serviceImage(service) },
      console: null,
      services: [XENSTORE_LOGIC_DOMID, PCIBACK_DOMID],
      memoryAccess: [
        ...commonAccess,
        { by: PCIBACK_DOMID, what: 'granted-pages', why: 'the page of its requests for configuration space' },
      ],
      driver,
      nodes: driverHome(domid, name),
    };
  }

  /** blkback, blkback-2, … in the order of their domids. */
  private nameFor(domid: DomId, kind: Driver['kind']): string {
    const before = this.list().filter((status) => status.kind === kind && status.domid < domid).length;
    return before === 0 ? serviceOf[kind] : `${serviceOf[kind]}-${before + 1}`;
  }
}
