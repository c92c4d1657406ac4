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

export const guestSpec = z.strictObject({
  name: vmName,
  uuid: z.string().check(z.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)),
  memoryMib: z.number().check(z.int(), z.minimum(8), z.maximum(65536)),
  vcpus: z.number().check(z.int(), z.minimum(1), z.maximum(32)),
  kernel: imageName,
  ramdisk: z.optional(imageName),
  cmdline: z.string().check(z.regex(/^[\x20-\x7e]{0,900}$/)),
  /** The service VMs whose back ends it will use; each must be in Toolstack's own trust record. */
  backends: z.array(domid).check(z.maxLength(16)),
});
export type GuestSpec = z.infer<typeof guestSpec>;

/** Who may reach which memory of a VM, and why: one line of the memory-access whitelist. */
export interface MemoryAccess {
  readonly by: number;
  readonly what: 'all-while-building' | 'console-ring' | 'xenstore-ring' | 'granted-pages' | 'link-ring';
  readonly why: string;
}

/** Builder's trust list has one record for each VM. */
export interface TrustRecord {
  readonly domid: number;
  readonly name: string;
  readonly role: 'guest' | 'service';
  /** FLASK context. */
  readonly label: string;
  readonly parent: number;
  readonly services: readonly number[];
  /** PCI addresses, for driver VMs. */
  readonly devices: readonly string[];
  readonly memoryAccess: readonly MemoryAccess[];
}

export interface ServiceStatus {
  readonly name: string;
  readonly job: string;
  /** null: gone, its job is done. */
  readonly domid: number | null;
  readonly memoryMib: number;
  readonly state: 'starting' | 'running' | 'paused' | 'done' | 'failed';
  /** ISO 8601; null before it ran. */
  readonly upSince: string | null;
  readonly resets: number;
}

export interface GuestBuilt {
  readonly domid: number;
  readonly consoleGfn: number;
  readonly consolePort: number;
  readonly storeGfn: number;
  readonly storePort: number;
}

export const domidParams = z.strictObject({ domid });
export const noParams = z.strictObject({});

/** method → what it takes. Answers are the types above, named in the comment. */
export const builderMethods = {
  /** GuestBuilt. The guest stays paused; the caller writes its XenStore nodes, then unpauses it. */
  'guest.create': guestSpec,
  /** {} */
  'guest.unpause': domidParams,
  'guest.pause': domidParams,
  /** {}. Resolves when the domid is free or the domain can only be waited for. */
  'guest.destroy': domidParams,
  /** { images: { name, kind: 'kernel' | 'ramdisk', bytes }[] } */
  'images.list': noParams,
  /** { records: TrustRecord[] } */
  'trust.list': noParams,
  /** { services: ServiceStatus[] } */
  'services.list': noParams,
  /** { drivers: { domid, kind: 'storage' | 'network', bdf, ready }[] } */
  'drivers.list': noParams,
  /** {}. Stops the driver VMs and powers the machine off; answers before that. */
  'host.shutdown': noParams,
} as const;

/** Where a service writes its state for Builder and Toolstack to see: `<home>/ennead/state` = starting | ready | failed:<why>. */
export const stateNode = (of: number): string => `/local/domain/${of}/ennead/state`;
