/**
 * The life of one VM, in the steps in which Xen has it: created (empty and paused), loaded, introduced to XenStore, started; taken apart.
 * A step that fails takes apart what the steps before it made.
 */
import { type HvmBoot, type MemoryAccess, type TrustRecord, trustNode } from '../../contracts/builder.ts';
import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID } from '../../contracts/domids.ts';
import { contextOf, domainTypes, type LabelledDomain } from '../../contracts/flask-contexts.ts';
import { homeOf } from '../../contracts/xenstore-paths.ts';
import { ACPI_ADDRESS, acpiTables } from '../../wire/acpi.ts';
import type { DomId, EventPort, HvmBuild, PvImage } from '../../xen/ports.ts';
import type { NewNode } from '../../xen/xenstore-port.ts';
import type { Driver, Ledger, VmEntry } from './ledger.ts';
import type { BuilderPorts } from './ports.ts';
import { ignoring } from './refusals.ts';
import { trustOf } from './xenstore-homes.ts';

export type HvmImage = Pick<HvmBuild, 'hvmloaderPath' | 'firmwarePath' | 'apic' | 'hpet'>;

/** What Xen has to know of an emulated PC when the domain is made. */
export type HvmMachine = Pick<HvmBoot, 'videoMib' | 'clockOffsetSeconds'>;

/** What a VM is made of when it starts. */
export type VmContent =
  | { readonly kind: 'pv' | 'pvh'; readonly image: PvImage }
  | { readonly kind: 'hvm'; readonly image: HvmImage; readonly machine: HvmMachine };

export interface VmPlan {
  readonly domid: DomId;
  readonly name: string;
  readonly role: TrustRecord['role'];
  readonly type: LabelledDomain;
  readonly parent: DomId;
  readonly uuid: Uint8Array;
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly content: VmContent;
  /** Who serves its console ring; null: nobody, and it gets no console. */
  readonly console: DomId | null;
  readonly services: readonly DomId[];
  readonly memoryAccess: readonly MemoryAccess[];
  readonly driver?: Driver;
  /** The guest whose hardware it emulates. */
  readonly emulates?: DomId;
  /** The VM's home and what else must be in XenStore before it starts. */
  readonly nodes: readonly NewNode[];
}

export interface CreatedVm {
  readonly plan: VmPlan;
  readonly storePort: EventPort;
  readonly consolePort: EventPort;
}

export interface LoadedVm extends CreatedVm {
  readonly storeGfn: number;
  readonly consoleGfn: number;
}

export class Vms {
  constructor(
    private readonly ports: BuilderPorts,
    private readonly ledger: Ledger,
  ) {}

  /** The domain exists, empty, and is on the trust list; its home is written. */
  async create(plan: VmPlan): Promise<CreatedVm> {
    const { domains, store, clock } = this.ports;
    const { domid, memoryMib, content } = plan;
    domains.create({
      ...(content.kind === 'hvm' ? { kind: content.kind, ...content.machine } : { kind: content.kind }),
      domid,
      context: contextOf(domainTypes[plan.type]),
      uuid: plan.uuid,
      vcpus: plan.vcpus,
      memoryMib,
      iommu: plan.driver?.isolated ?? false,
    });
    return this.orTakeApart(domid, async () => {
      const storePort = domains.allocEventChannel(domid, XENSTORE_LOGIC_DOMID);
      const consolePort = plan.console === null ? 0 : domains.allocEventChannel(domid, plan.console);
      const entry = entryOf(plan, new Date(clock.wallClockMs()).toISOString());
      this.ledger.put(entry);
      await store.make([...plan.nodes, trustOf(entry.record)]);
      return { plan, storePort, consolePort };
    });
  }

  /** Loaded, known to XenStore, still paused. */
  load(created: CreatedVm): Promise<LoadedVm> {
    const { domid } = created.plan;
    return this.orTakeApart(domid, async () => {
      const pages = this.build(created);
      await this.ports.store.introduce(domid, pages.storeGfn, created.storePort);
      return { ...created, ...pages };
    });
  }

  private build({ plan, storePort, consolePort }: CreatedVm): Pick<LoadedVm, 'storeGfn' | 'consoleGfn'> {
    const { domains } = this.ports;
    const { domid, memoryMib, vcpus, content } = plan;
    const common = {
      domid,
      memoryMib,
      store: { domid: XENSTORE_LOGIC_DOMID, port: storePort },
      // Granted to itself is granted to nobody.
      console: { domid: plan.console ?? domid, port: consolePort },
    };
    switch (content.kind) {
      case 'pv':
        return domains.build({ ...common, ...content.image, hardwareDomain: false });
      case 'pvh': {
        const acpi = { address: ACPI_ADDRESS, tables: acpiTables(ACPI_ADDRESS, vcpus) };
        return domains.buildPvh({ ...common, ...content.image, vcpus, acpi });
      }
      case 'hvm':
        return domains.buildHvm({ ...common, ...content.image, vcpus });
    }
  }

  /** Whatever state it is in. Its trust record goes with it, and its Qemu VM; their XenStore nodes stay. */
  async takeApart(domid: DomId): Promise<void> {
    const { domains, store } = this.ports;
    await ignoring(['ESRCH', 'EINVAL'], () => domains.pause(domid));
    // It has the guest's memory mapped: Xen could not take that back, nor free the guest's domid.
    const emulator = this.ledger.emulatorOf(domid);
    if (emulator !== null) await this.takeApart(emulator);
    // XenStore lets go of the VM's page before Xen wants it back. It may never have known the VM.
    await ignoring(['ENOENT', 'EINVAL', 'ESRCH'], () => store.release(domid));
    await ignoring(['ESRCH'], () => domains.destroy(domid));
    this.ledger.remove(domid);
    await store.remove(trustNode(domid));
  }

  /** For a step after these: a VM of which it fails is not left half made. */
  async orTakeApart<T>(domid: DomId, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      const { store, log } = this.ports;
      await this.takeApart(domid)
        .then(() => store.remove(homeOf(domid)))
        .catch((failure: unknown) => log(`domain ${domid}, half made, could not be removed: ${String(failure)}`));
      throw error;
    }
  }
}

function entryOf(plan: VmPlan, since: string): VmEntry {
  const { domid, name, role, parent, services, memoryAccess, memoryMib, driver, emulates } = plan;
  return {
    record: {
      domid,
      name,
      role,
      label: contextOf(domainTypes[plan.type]),
      parent,
      services: [...services],
      devices: driver ? [driver.bdf] : [],
      memoryAccess: [...memoryAccess],
    },
    memoryMib,
    since,
    ...(driver && { driver }),
    ...(emulates !== undefined && { emulates }),
  };
}

export const buildersAccess: MemoryAccess = {
  by: BUILDER_DOMID,
  what: 'all-while-building',
  why: 'loads kernel and ramdisk; unmaps everything before the VM starts',
};

/** What is true of every VM that Builder makes for a client of XenStore. */
export const commonAccess: readonly MemoryAccess[] = [
  buildersAccess,
  { by: XENSTORE_LOGIC_DOMID, what: 'xenstore-ring', why: 'the ring page of its XenStore connection (grant 1)' },
];
