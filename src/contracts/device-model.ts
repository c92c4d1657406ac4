/**
 * Toolstack's conversation with a Qemu VM: JSON-RPC 2.0 (src/kit/rpc.ts) over a link (src/kit/link.ts) that the Qemu VM offers when it has
 * started. Toolstack says which machine to emulate, for one guest and once; then it asks for screens and media, and
 * carries the bytes of the guest's serial port and of VNC sessions for operators.
 *
 * A Qemu VM is as trustworthy as its guest. Whatever it sends is checked here and believed of that guest alone.
 */
import * as z from 'zod/mini';
import { domid, noParams } from './builder.ts';

/**
 * The name of the link, and of the node that offers it. A Qemu VM whose link has closed offers another (Toolstack's process was started again);
 * the machine runs on meanwhile. Toolstack counts a guest whose Qemu VM is silent for too long as crashed.
 */
export const DEVICE_MODEL_LINK = 'device-model';

/** As in a guest's file: the names of QEMU's models. */
export const cardModel = z.enum(['e1000', 'rtl8139', 'virtio-net']);
export type CardModel = z.infer<typeof cardModel>;

/** Where the guest sees a drive: `hd` on IDE, `sd` on SATA. */
export const driveName = z.string().check(z.regex(/^(hd[a-d]|sd[a-f])$/));

/**
 * Whether a system with Xen's drivers has QEMU take this drive away: a disk on IDE; no drive on SATA, and no CD drive.
 * @source QEMU 7.2 hw/i386/xen/xen_platform.c, unplug_disks()
 */
export const canBeTakenAway = (name: string, cdrom: boolean): boolean => name.startsWith('hd') && !cdrom;

export const emulatedDrive = z.strictObject({
  name: driveName,
  /** The Qemu VM's own PV disk behind it; null: a CD drive without a medium. */
  device: z.nullable(z.string().check(z.regex(/^xvd[a-z]$/))),
  cdrom: z.boolean(),
  format: z.enum(['raw', 'qcow2']),
  readOnly: z.boolean(),
});
export type EmulatedDrive = z.infer<typeof emulatedDrive>;

export const emulatedCard = z.strictObject({
  /** The Qemu VM's own PV card behind it, `eth<index>`. */
  index: z.number().check(z.int(), z.minimum(0), z.maximum(7)),
  mac: z.string().check(z.regex(/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/)),
  model: cardModel,
});
export type EmulatedCard = z.infer<typeof emulatedCard>;

/** What an operator chooses of the machine; the rest (memory, drives, cards) Toolstack adds. */
export const machineChoices = z.strictObject({
  /** xl's letters, tried in this order: c disk, d CD, n network. */
  boot: z.string().check(z.regex(/^[cdn]{1,3}$/)),
  vga: z.enum(['stdvga', 'cirrus', 'none']),
  usbTablet: z.boolean(),
  /** The first serial port is what `ennead console` shows. */
  serial: z.boolean(),
  /** The device by which a system with Xen's drivers has its IDE disks and its cards taken away, to use paravirtual ones in their place. */
  xenPlatform: z.boolean(),
});
export type MachineChoices = z.infer<typeof machineChoices>;

export const machine = z.strictObject({
  guest: domid,
  name: z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/)),
  memoryMib: z.number().check(z.int(), z.minimum(8), z.maximum(65536)),
  videoMib: z.number().check(z.int(), z.minimum(0), z.maximum(64)),
  vcpus: z.number().check(z.int(), z.minimum(1), z.maximum(32)),
  choices: machineChoices,
  drives: z.array(emulatedDrive).check(z.maxLength(10)),
  cards: z.array(emulatedCard).check(z.maxLength(8)),
});
export type Machine = z.infer<typeof machine>;

/** One character for one byte, U+0000 to U+00FF, as on the operator's side. */
const byteText = z.string().check(z.regex(/^[\0-\xff]{0,65536}$/));
/** A PNG of a text screen takes 10 KiB, one of a busy desktop of 1280 × 1024 about 2 MiB. */
export const SHOT_BYTES_MAX = 4 * 1024 * 1024;
export const SHOT_PART_BYTES = 32 * 1024;
/** VNC sessions are numbered by Toolstack. */
const screenSession = z.number().check(z.int(), z.minimum(1), z.maximum(0xffffffff));

/** method → what it takes. */
export const deviceModelMethods = {
  /** {}. Once. Resolves when QEMU is ready to serve the guest, which may then be unpaused. */
  'machine.start': machine,
  /** {}. null takes the medium out. The PV disk is there already (or goes afterwards). */
  'media.change': z.strictObject({
    name: driveName,
    device: z.nullable(z.string().check(z.regex(/^xvd[a-z]$/))),
  }),
  /** { bytes }: the screen as it is now, as a PNG of so many bytes, kept for `screen.part` until the next shot. */
  'screen.shot': noParams,
  /** { data: byteText }: at most SHOT_PART_BYTES of it from `offset` on. */
  'screen.part': z.strictObject({ offset: z.number().check(z.int(), z.minimum(0), z.maximum(SHOT_BYTES_MAX)) }),
  /** {}. A VNC session (RFB, without authentication: Toolstack lets only the operator in). */
  'screen.open': z.strictObject({ session: screenSession }),
} as const;

/** `screen.data`: bytes of a VNC session, from either side. */
export const screenData = z.strictObject({ session: screenSession, data: byteText });
/** `screen.closed`: either side ends a session. */
export const screenClosed = z.strictObject({ session: screenSession });
/** `serial.data`: to the guest's serial port, and from it. */
export const serialData = z.strictObject({ data: byteText });
/** `machine.event`: what the emulated machine did, for the log. `crashed`: QEMU has ended, and with it the guest. */
export const machineEvent = z.strictObject({ what: z.enum(['reset', 'shutdown', 'crashed', 'io-error']) });

/** What a Qemu VM sends by itself. What Toolstack sends so are the same, but `machine.event`. */
export const deviceModelNotifications = {
  'screen.data': screenData,
  'screen.closed': screenClosed,
  'serial.data': serialData,
  'machine.event': machineEvent,
} as const;

export const screenShot = z.strictObject({ bytes: z.number().check(z.int(), z.minimum(1), z.maximum(SHOT_BYTES_MAX)) });
export const screenPart = z.strictObject({ data: byteText });

/** The words of a Qemu VM's refusals, beside those of src/kit/rpc.ts. */
export type DeviceModelRefusal =
  /** `machine.start` a second time, or anything else before it. */
  | 'not-now'
  /** No such drive, or no such PV disk or card. */
  | 'no-device'
  /** QEMU said no, or ended; the message is its own. */
  | 'qemu-failed'
  | 'sessions-full';
