/**
 * A manifest is the whole authority of one service VM, as data. From it come the FLASK policy (src/policy), the VM's image and
 * kernel command line (src/image), and the tables in docs/policy.md. What no manifest says, Xen refuses.
 */

import type { StorePrivilege } from '../contracts/store-privileges.ts';

export type ServiceName =
  | 'bootstrapper'
  | 'pciback'
  | 'toolstack'
  | 'xenstore-logic'
  | 'xenstore-state'
  | 'builder'
  | 'blkback'
  | 'netback'
  | 'qemu';

/** Everything that carries a domain label: the services, PCIBack after it has been stripped of its rights, and guests. */
export type DomainName = ServiceName | 'pciback-retired' | 'guest';

/**
 * `anyone`: every domain but the VM itself. `own-guest`: the one guest that Builder made the target of this VM, which emulates its hardware.
 * `device`: PCI devices, interrupts, I/O memory and I/O ports.
 */
export type Target = DomainName | 'anyone' | 'self' | 'own-guest' | 'xen' | 'security' | 'device';

/**
 * FLASK class → its permissions, separated by blanks, as in Xen's access_vectors. `event: 'create'` means: set up event channels
 * that end in the target; ordinary use of a channel comes from `channels`.
 */
export type Permissions = Readonly<Record<string, string>>;

export interface HypercallRight {
  readonly on: Target | readonly Target[];
  readonly may: Permissions;
  readonly why: string;
}

/** Which VM's granted pages this VM may `map` or `copy`. The granting VM still chooses page by page. */
export interface GrantRight {
  readonly from: DomainName | 'anyone';
  readonly use: 'map' | 'map and copy';
  readonly why: string;
}

/**
 * Both ends must name each other (or `anyone`); a channel that only one side wants does not exist. `own-guest` is the exception: Xen opens those in
 * the guest, which cannot be asked.
 */
export interface ChannelRight {
  readonly peer: DomainName | 'anyone' | 'self' | 'own-guest';
  readonly why: string;
}

export interface XenstoreRight {
  /** `~` is the VM's own home, `/local/domain/<domid>`. */
  readonly path: string;
  readonly access: 'read' | 'write';
  readonly why: string;
}

export interface DeviceRight {
  readonly class: 'storage-controller' | 'network-controller' | 'pci-bus';
  readonly why: string;
}

/** A program of the host's distribution that the VM's image holds beside ennead-rt and the service. */
export interface ExtraFile {
  readonly package: string;
  readonly path: string;
  readonly why: string;
}

/** Another program of ours in the VM: `<name>.ts` beside the service's main.ts becomes /<name>.qbc. */
export interface SecondProgram {
  readonly name: string;
  readonly why: string;
}

export interface KernelOption {
  readonly option: string;
  readonly why: string;
}

export interface Manifest {
  readonly name: ServiceName;
  readonly number: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
  /** One line. */
  readonly job: string;
  /** `core`: front ends only. `pci`: core with PCI, ACPI and pciback. `driver`: core with device drivers and back ends. */
  readonly kernel: 'core' | 'pci' | 'driver';
  readonly memoryMib: number;
  readonly lifetime: 'boot only' | 'device set-up' | 'long' | 'always' | 'as its guest';
  /** `depth` is how far the deepest reset of this VM goes: its heap, its process, the whole VM, or its end. */
  readonly reset: { readonly depth: 'heap' | 'process' | 'vm' | 'none' | 'destroyed'; readonly when: string };
  readonly cmdline: readonly KernelOption[];
  readonly files: readonly ExtraFile[];
  readonly programs?: readonly SecondProgram[];
  readonly hypercalls: readonly HypercallRight[];
  readonly grants: readonly GrantRight[];
  readonly channels: readonly ChannelRight[];
  readonly xenstore: readonly XenstoreRight[];
  /** XenStore-Logic goes by it. */
  readonly storePrivilege?: StorePrivilege;
  readonly devices: readonly DeviceRight[];
}

/** Checks nothing at run time: the types do, and src/policy checks the rest when the policy is generated. */
export const defineManifest = (manifest: Manifest): Manifest => manifest;

/** What creating, loading and starting a PV domain takes, for the two VMs that do it. */
export const pvLoadRights: Permissions = {
  domain: 'create max_vcpus setdomainmaxmem setaddrsize getdomaininfo setvcpucontext unpause',
  domain2: 'setclaim resource_map settsc',
  mmu: 'adjust memorymap map_read map_write mmuext_op pinpage',
};

/** The same for a domain that is given its first event channels. */
export const pvBuildRights: Permissions = { ...pvLoadRights, event: 'create' };

/** What an HVM domain takes beside them: memory for its page tables, the time of its clock, the processors that it sees, an emulator. */
export const hvmBuildRights: Permissions = {
  domain: 'setpagingmempool settime',
  domain2: 'set_cpu_policy set_as_target',
  hvm: 'setparam gethvmc sethvmc',
};
