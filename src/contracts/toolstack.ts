/**
 * The operator's conversation with Toolstack: JSON-RPC 2.0, one message to a line, on the standard streams of an SSH session.
 *
 * A session whose first request is `volume.import` or `volume.export` belongs to that transfer alone: after the answer's line the
 * session carries the volume (src/contracts/volume-frames.ts), then one last line: a `volume.done` or `volume.failed` notification.
 * After the answer to `screen.shot` it carries a PNG, after that to `screen.open` VNC (RFB) in both directions, and it ends with them.
 *
 * `console.attach` makes Toolstack send `console.output` notifications (the backlog first, even before the answer) and take
 * `console.input` ones, until `console.ended`. `xenstore.watch` makes it send `xenstore.changed` ones until the session ends.
 */
import * as z from 'zod/mini';
import { BRIDGE } from './bridge.ts';
import type { ServiceStatus, TrustRecord } from './builder.ts';
import { domid, hvmFirmware, noParams, pvBoot, pvhBoot, vmName } from './builder.ts';
import { cardModel, driveName, machineChoices, SHOT_BYTES_MAX } from './device-model.ts';
import type { Volume } from './volumes.ts';
import { volumeBytes, volumeName } from './volumes.ts';
import { type Limits, limitNames } from './xenstore-limits.ts';
import type { DomainQuota } from './xenstore-quota.ts';

/** Disks a guest can name: Xen's own names first, then those of the emulated buses that Linux maps to the same numbers. */
export const vdev = z.string().check(z.regex(/^(xvd[a-z]|sd[a-p]|hd[a-d])([1-9]|1[0-5])?$/));
/** A unicast address: the lowest bit of the first byte is clear. */
export const macAddress = z.string().check(z.regex(/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/));

export const diskConfig = z.strictObject({ vdev, volume: volumeName, access: z.enum(['r', 'w']) });
export type DiskConfig = z.infer<typeof diskConfig>;

export const vifConfig = z.strictObject({ mac: z.optional(macAddress), bridge: z.optional(z.literal(BRIDGE)) });
export type VifConfig = z.infer<typeof vifConfig>;

/** A drive of an emulated PC. */
export const driveConfig = z.strictObject({
  vdev: driveName,
  /** null: a CD drive without a medium. */
  volume: z.nullable(volumeName),
  access: z.enum(['r', 'w']),
  cdrom: z.boolean(),
  format: z.enum(['raw', 'qcow2']),
});
export type DriveConfig = z.infer<typeof driveConfig>;

/** A network card of an emulated PC; null: it is paravirtual alone. */
export const cardConfig = z.extend(vifConfig, { model: z.nullable(cardModel) });
export type CardConfig = z.infer<typeof cardConfig>;

/** Firmware, and the PC that it finds. */
export const hvmConfig = z.extend(hvmFirmware, {
  machine: z.extend(machineChoices, {
    drives: z.array(driveConfig).check(z.maxLength(10)),
    cards: z.array(cardConfig).check(z.maxLength(8)),
  }),
});

/** What Toolstack does when a guest has ended by itself. */
export const guestAction = z.enum(['destroy', 'restart', 'preserve']);
export type GuestAction = z.infer<typeof guestAction>;

export const guestConfig = z.strictObject({
  name: vmName,
  /** Made by Toolstack when it is not given. */
  uuid: z.optional(z.string().check(z.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/))),
  memoryMib: z.number().check(z.int(), z.minimum(8), z.maximum(65536)),
  vcpus: z.number().check(z.int(), z.minimum(1), z.maximum(32)),
  /** PV and PVH kernels are names in Builder's list of known-good images; `pvgrub` boots what the guest's own disk says. */
  boot: z.discriminatedUnion('type', [pvBoot, pvhBoot, hvmConfig]),
  /** Paravirtual ones, which the guest's own system drives. */
  disks: z.array(diskConfig).check(z.maxLength(16)),
  vifs: z.array(vifConfig).check(z.maxLength(8)),
  onPoweroff: guestAction,
  onReboot: guestAction,
  onCrash: guestAction,
});
export type GuestConfig = z.infer<typeof guestConfig>;

/** A guest by name or, as xl allows too, by domid. */
export const guestReference = z.union([vmName, domid]);
const guestParams = z.strictObject({ guest: guestReference });
/** `wait`: answer when the guest is gone (or, for a reboot, back). */
const endParams = z.strictObject({ guest: guestReference, wait: z.optional(z.boolean()) });

/** Linux knows digits and letters; every other key makes it list those. */
export const sysrqLetter = z.string().check(z.regex(/^[!-~]$/));

/** A running VM whose processors all wait is `running`; `flags` are xl's six letters (r b p s c d). */
export interface DomainRow {
  readonly name: string;
  readonly domid: number;
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly state: 'running' | 'paused' | 'shutdown' | 'crashed' | 'dying';
  readonly flags: string;
  readonly timeSeconds: number;
}

/** In the words of `xl info`, and in ours for what is Ennead's own. */
export interface HostReport {
  readonly host: string;
  readonly xen_version: string;
  readonly xen_changeset: string;
  readonly xen_commandline: string;
  readonly xen_compile_date: string;
  readonly linux_version: string;
  readonly nr_cpus: number;
  readonly cpu_mhz: number;
  /** MiB. */
  readonly total_memory: number;
  readonly free_memory: number;
  readonly guests: number;
  readonly flask: 'enforcing' | 'permissive';
  readonly dma_isolation: 'iommu' | 'none';
  /** As the driver VMs count them: ports of their bridges, the cards among them; loop devices that hold a volume. */
  readonly bridge_ports: number;
  readonly loop_devices: number;
}

/** One character for one byte (U+0000 to U+00FF): terminals speak no particular encoding. */
const byteText = z.string().check(z.regex(/^[\0-\xff]{0,65536}$/));
export const bytesToText = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
};
export const textToBytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

export const consoleData = z.strictObject({ data: byteText });
export const consoleEnded = z.strictObject({ reason: z.string() });

/** Absolute, special (`@releaseDomain`), or relative to Toolstack's home. XenStore-Logic looks closer. */
const storePath = z.string().check(z.regex(/^[A-Za-z0-9\-_@/]{1,3072}$/));
/** A node's permissions, the owner's first: `n0`, `r5`. */
const storePermissions = z.array(z.string().check(z.regex(/^[nrwb]\d{1,5}$/))).check(z.minLength(1), z.maxLength(64));
const STORE_VALUE_CHARACTERS_MAX = 4096;

export interface StoreNode {
  readonly path: string;
  readonly value: string;
  readonly permissions: readonly string[];
}
export interface StoreTreePart {
  readonly nodes: readonly StoreNode[];
  readonly more: boolean;
}
/** What guests may have in the store, and what each domain has that has a connection or anything else in it. */
export interface StoreQuota {
  readonly limits: Limits;
  readonly domains: readonly DomainQuota[];
}
export const storeChanged = z.strictObject({ path: z.string() });

/** method → what it takes. Answers are the types of `ToolstackAnswers`. */
export const toolstackMethods = {
  'guest.list': noParams,
  'guest.create': guestConfig,
  'guest.shutdown': endParams,
  'guest.reboot': endParams,
  'guest.destroy': guestParams,
  'guest.pause': guestParams,
  'guest.unpause': guestParams,
  /** The power button of an emulated PC: its system may shut down, or may not care. */
  'guest.powerButton': guestParams,
  /** Ends the guest at once, as its own reboot would: its `onReboot` says what follows. */
  'guest.reset': guestParams,
  /** A key of Linux's SysRq, for a system with Xen drivers. */
  'guest.sysrq': z.strictObject({ guest: guestReference, letter: sysrqLetter }),
  /** null takes the medium out. */
  'media.change': z.strictObject({ guest: guestReference, vdev: driveName, volume: z.nullable(volumeName) }),
  'console.attach': guestParams,
  'console.input': consoleData,
  'volume.list': noParams,
  'volume.create': z.strictObject({ name: volumeName, bytes: volumeBytes }),
  'volume.delete': z.strictObject({ name: volumeName }),
  'services.list': noParams,
  'trust.list': noParams,
  'xenstore.quota': noParams,
  'xenstore.setQuota': z.strictObject({ name: z.enum(limitNames), value: z.number().check(z.int(), z.minimum(0)) }),
  'xenstore.read': z.strictObject({ path: storePath }),
  'xenstore.list': z.strictObject({ path: storePath }),
  /** `further`: what follows the part that this session got last. */
  'xenstore.tree': z.strictObject({ path: storePath, further: z.boolean() }),
  'xenstore.write': z.strictObject({
    path: storePath,
    value: z.string().check(z.maxLength(STORE_VALUE_CHARACTERS_MAX)),
  }),
  'xenstore.remove': z.strictObject({ path: storePath }),
  'xenstore.chmod': z.strictObject({
    path: storePath,
    permissions: storePermissions,
    /** Everything below as well. */
    recursive: z.boolean(),
  }),
  'xenstore.watch': z.strictObject({ path: storePath }),
  'host.info': noParams,
  'host.messages': noParams,
  /** Answers when the guests are gone and Builder has taken the order to stop the machine. */
  'host.shutdown': noParams,
} as const;
export type ToolstackMethod = keyof typeof toolstackMethods;

export interface ToolstackAnswers {
  'guest.list': { readonly domains: readonly DomainRow[] };
  'guest.create': { readonly name: string; readonly domid: number };
  'guest.shutdown': Record<string, never>;
  'guest.reboot': Record<string, never>;
  'guest.destroy': Record<string, never>;
  'guest.pause': Record<string, never>;
  'guest.unpause': Record<string, never>;
  'guest.powerButton': Record<string, never>;
  'guest.reset': Record<string, never>;
  'guest.sysrq': Record<string, never>;
  'media.change': Record<string, never>;
  'console.attach': { readonly name: string; readonly domid: number };
  'console.input': Record<string, never>;
  'volume.list': { readonly volumes: readonly Volume[]; readonly freeBytes: number };
  'volume.create': Record<string, never>;
  'volume.delete': Record<string, never>;
  'services.list': { readonly services: readonly ServiceStatus[] };
  'trust.list': { readonly records: readonly TrustRecord[] };
  'xenstore.quota': StoreQuota;
  'xenstore.setQuota': Record<string, never>;
  'xenstore.read': { readonly value: string };
  'xenstore.list': { readonly names: readonly string[] };
  'xenstore.tree': StoreTreePart;
  'xenstore.write': Record<string, never>;
  'xenstore.remove': Record<string, never>;
  'xenstore.chmod': Record<string, never>;
  'xenstore.watch': Record<string, never>;
  'host.info': HostReport;
  'host.messages': { readonly text: string };
  'host.shutdown': Record<string, never>;
}

/** The methods that take a session over. Both answer `{ bytes }`: the volume's size. */
export const transferMethods = {
  /** Makes the volume, as large as `bytes` (rounded up to whole sectors); a transfer that fails removes it again. */
  'volume.import': z.strictObject({
    name: volumeName,
    bytes: z.number().check(z.int(), z.minimum(1), z.maximum(2 ** 44)),
  }),
  'volume.export': z.strictObject({ name: volumeName }),
} as const;
export type TransferMethod = keyof typeof transferMethods;

/** The first line of a transfer's session, and its last. */
export const transferRequest = z.discriminatedUnion('method', [
  z.strictObject({
    jsonrpc: z.literal('2.0'),
    id: z.number(),
    method: z.literal('volume.import'),
    params: transferMethods['volume.import'],
  }),
  z.strictObject({
    jsonrpc: z.literal('2.0'),
    id: z.number(),
    method: z.literal('volume.export'),
    params: transferMethods['volume.export'],
  }),
]);
const refusalAnswer = z.object({
  error: z.object({ message: z.string(), data: z.object({ code: z.string() }) }),
});
export const transferAnswer = z.union([z.object({ result: z.object({ bytes: z.number() }) }), refusalAnswer]);
export const transferEnd = z.discriminatedUnion('method', [
  z.object({ method: z.literal('volume.done'), params: z.object({ bytes: z.number() }) }),
  z.object({ method: z.literal('volume.failed'), params: z.object({ code: z.string(), message: z.string() }) }),
]);

/** Methods that take a session over to show a guest's screen. */
export const screenRequest = z.discriminatedUnion('method', [
  z.strictObject({ jsonrpc: z.literal('2.0'), id: z.number(), method: z.literal('screen.shot'), params: guestParams }),
  z.strictObject({ jsonrpc: z.literal('2.0'), id: z.number(), method: z.literal('screen.open'), params: guestParams }),
]);
export type ScreenRequest = z.infer<typeof screenRequest>;
/** `bytes`: how long the PNG is that follows. */
export const shotAnswer = z.union([
  z.object({ result: z.object({ bytes: z.number().check(z.int(), z.minimum(1), z.maximum(SHOT_BYTES_MAX)) }) }),
  refusalAnswer,
]);
/** Everything that follows is VNC. */
export const openAnswer = z.union([z.object({ result: z.object({}) }), refusalAnswer]);

/** Every refusal that an operator can meet, as the words that travel; src/cli/exit-codes.ts gives each its exit code. */
export const toolstackErrors = [
  'unknown-guest',
  'guest-exists',
  'guest-state',
  'guest-not-booting',
  'guest-timeout',
  'device-model-failed',
  'bad-config',
  'no-memory',
  'no-driver',
  'volume-missing',
  'volume-exists',
  'volume-busy',
  'volume-full',
  'volume-failed',
  'transfer-incomplete',
  'busy',
  'no-node',
  'not-allowed',
  'too-large',
  'refused',
] as const;
export type ToolstackError = (typeof toolstackErrors)[number];
