/**
 * The conversation with Builder: JSON-RPC 2.0 (src/kit/rpc.ts) over a link (src/kit/link.ts). Xen vouches for the caller's domid;
 * Builder looks up in the trust list what that domid may ask.
 *
 * Toolstack asks for guests; PCIBack reports controllers and is told whom to hand them to.
 */
import * as z from 'zod/mini';

export const domid = z.number().check(z.int(), z.minimum(0), z.maximum(0x7fef));
/** As xl allows them, without the characters that XenStore paths or shells treat specially. */
export const vmName = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/));
/** A name in Builder's list of known-good images. */
export const imageName = z.string().check(z.regex(/^[a-z0-9][a-z0-9.-]{0,62}$/));

/** The image that boots what the guest's own disk says, whatever type the guest has. */
export const PV_GRUB = 'pvgrub';

/** A system that knows Xen: a kernel of Builder's, loaded as a paravirtual domain. */
export const pvBoot = z.strictObject({
  type: z.literal('pv'),
  kernel: imageName,
  ramdisk: z.optional(imageName),
  cmdline: z.string().check(z.regex(/^[\x20-\x7e]{0,900}$/)),
});
export type PvBoot = z.infer<typeof pvBoot>;

/** The same, with a kernel that starts as PVH: in hardware's own page tables, and still without any device of a PC. */
export const pvhBoot = z.extend(pvBoot, { type: z.literal('pvh') });
export type PvhBoot = z.infer<typeof pvhBoot>;

/** Of an emulated clock; Xen's own interface takes 32 bits. */
export const CLOCK_OFFSET_SECONDS_MAX = 0x7fffffff;

/** A system that need not know of Xen: firmware, and a PC that a Qemu VM of its own emulates. */
export const hvmFirmware = z.strictObject({
  type: z.literal('hvm'),
  firmware: z.literal('seabios'),
  /** For the emulated card, beside `memoryMib`. */
  videoMib: z.number().check(z.int(), z.minimum(0), z.maximum(64)),
  acpi: z.boolean(),
  apic: z.boolean(),
  hpet: z.boolean(),
  /** Its clock stands so many seconds before UTC. @source xl.cfg(5), rtc_timeoffset and localtime */
  clockOffsetSeconds: z
    .number()
    .check(z.int(), z.minimum(-CLOCK_OFFSET_SECONDS_MAX), z.maximum(CLOCK_OFFSET_SECONDS_MAX)),
});
export const hvmBoot = z.extend(hvmFirmware, {
  /** Its system may find that it is on Xen, and then use the back ends itself. */
  xenPlatform: z.boolean(),
  /** The caller serves a console ring of it: it has no serial port. */
  console: z.boolean(),
});
export type HvmBoot = z.infer<typeof hvmBoot>;

export const guestBoot = z.discriminatedUnion('type', [pvBoot, pvhBoot, hvmBoot]);
export type GuestBoot = z.infer<typeof guestBoot>;

export const guestSpec = z.strictObject({
  name: vmName,
  uuid: z.string().check(z.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)),
  memoryMib: z.number().check(z.int(), z.minimum(8), z.maximum(65536)),
  vcpus: z.number().check(z.int(), z.minimum(1), z.maximum(32)),
  boot: guestBoot,
  /** The service VMs whose back ends it (or its Qemu VM) will use; each must be in Toolstack's own trust record. */
  backends: z.array(domid).check(z.maxLength(16)),
});
export type GuestSpec = z.infer<typeof guestSpec>;

/** Who may reach which memory of a VM, and why: one line of the memory-access whitelist. */
export const memoryAccess = z.strictObject({
  by: domid,
  what: z.enum(['all-while-building', 'all', 'console-ring', 'xenstore-ring', 'granted-pages', 'link-ring']),
  why: z.string(),
});
export type MemoryAccess = z.infer<typeof memoryAccess>;

/** Builder's trust list has one record for each VM. */
export const trustRecord = z.strictObject({
  domid,
  name: z.string(),
  /** `device-model`: the Qemu VM of one guest. It comes and goes with that guest. */
  role: z.enum(['guest', 'service', 'device-model']),
  /** FLASK context. */
  label: z.string(),
  /** Who asked for it: Toolstack for guests and their Qemu VMs, the VM that built it, last of all, for services. */
  parent: domid,
  /** The service VMs that it may use. */
  services: z.array(domid),
  /** PCI addresses, for driver VMs. */
  devices: z.array(z.string()),
  memoryAccess: z.array(memoryAccess),
});
export type TrustRecord = z.infer<typeof trustRecord>;

export interface ServiceStatus {
  readonly name: string;
  readonly job: string;
  /** null: gone, its job is done. */
  readonly domid: number | null;
  readonly memoryMib: number;
  readonly state: 'starting' | 'running' | 'paused' | 'done' | 'failed';
  /** ISO 8601; null before it ran. */
  readonly upSince: string | null;
  /** How often its process was started again, with its VM or in it. Of PCIBack nobody counts it: 0. */
  readonly resets: number;
}

export interface GuestBuilt {
  readonly domid: number;
  /** Its Qemu VM, which runs already; null: it needs none. */
  readonly deviceModel: number | null;
  readonly consoleGfn: number;
  readonly consolePort: number;
  readonly storeGfn: number;
  readonly storePort: number;
}

export interface DriverStatus {
  readonly domid: number;
  readonly kind: 'storage' | 'network';
  /** PCI address of its controller. */
  readonly bdf: string;
  readonly ready: boolean;
  /** Why it does not work; null while it does or may. */
  readonly failure: string | null;
  /** An IOMMU confines its DMA. */
  readonly isolated: boolean;
}

export interface KnownImage {
  readonly name: string;
  readonly kind: 'kernel' | 'ramdisk' | 'firmware';
  readonly bytes: number;
}

/** The words of Builder's refusals (`RpcError.code`), beside those of src/kit/rpc.ts. */
export type BuilderRefusal =
  /** The caller has no trust record that lets it ask this. */
  | 'not-allowed'
  /** The domid is no guest of the caller's. */
  | 'not-yours'
  | 'unknown-image'
  /** The processor has no AMD-V or VT-x, and the guest is of type hvm or pvh. */
  | 'no-hvm'
  | 'no-memory'
  | 'no-domid'
  /** Xen or XenStore said no; the message says what and why. */
  | 'xen-refused'
  | 'shutting-down';

export const domidParams = z.strictObject({ domid });
export const noParams = z.strictObject({});

/** The name under which Toolstack and PCIBack offer their links to Builder. */
export const BUILDER_LINK = 'builder';

/** method → what it takes. Answers are the types above, named in the comment. */
export const builderMethods = {
  /**
   * GuestBuilt. The guest stays paused; the caller writes its XenStore nodes (it owns the guest's home), then unpauses it. Its Qemu VM stays paused,
   * too: it gets its disks and cards from the caller, who describes them below `device` in that VM's home and then starts it.
   */
  'guest.create': guestSpec,
  /** {}. The domid is the guest's. */
  'guest.startDeviceModel': domidParams,
  /** {} */
  'guest.unpause': domidParams,
  'guest.pause': domidParams,
  /** {}. The power button of the PC that a guest of type hvm has. */
  'guest.powerButton': domidParams,
  /** {}. Ends the guest at once, as its own reboot would. What is left of it is the caller's to have destroyed. */
  'guest.reset': domidParams,
  /** {}. Resolves when Xen has taken the domain apart, its Qemu VM first. The XenStore nodes of both are the caller's to remove. */
  'guest.destroy': domidParams,
  /** { images: KnownImage[] } */
  'images.list': noParams,
  /** { records: TrustRecord[] } */
  'trust.list': noParams,
  /** { services: ServiceStatus[] } */
  'services.list': noParams,
  /** { drivers: DriverStatus[] } */
  'drivers.list': noParams,
  /** {}. Destroys what guests are left, stops the driver VMs and powers the machine off; answers before that. */
  'host.shutdown': noParams,
} as const;

/** Where a service writes its state for Builder and Toolstack to see: `<home>/ennead/state` = starting | ready | failed:<why>. */
export const stateNode = (of: number): string => `/local/domain/${of}/ennead/state`;
/** The driver VM serves, or never will. */
export const isSettled = (state: string | null): boolean =>
  state === 'ready' || (state?.startsWith('failed:') ?? false);
/** From a driver VM's start until it is settled: the boot of a kernel, the controller's own time, perhaps a new file system. */
export const DRIVER_SETTLES_MS = 180_000;
/** Where a service counts how often its process was started in this VM. */
export const startsNode = (of: number): string => `/local/domain/${of}/ennead/starts`;
/** Where a driver VM says, for Toolstack to see, how many devices its Linux has attached: ports of the bridge, loop devices that hold a volume. */
export const attachedNode = (of: number): string => `/local/domain/${of}/ennead/attached`;
/** A VM's TrustRecord as JSON, for Toolstack to read. */
export const trustNode = (of: number): string => `/ennead/trust/${of}`;
