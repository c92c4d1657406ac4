/**
 * The machine that Toolstack describes, as QEMU's command line. What comes from outside stands in JSON or is one of a few words, so that no value
 * can become an option. @source QEMU 7.2: qemu-options.hx, qapi/block-core.json, qapi/net.json
 */
import {
  type CardModel,
  canBeTakenAway,
  type EmulatedCard,
  type EmulatedDrive,
  type Machine,
} from '../../contracts/device-model.ts';
import { QEMU_PROGRAM } from '../../contracts/qemu-volume.ts';
import { insideRoot } from './root.ts';

const FIRMWARE_FOLDERS = ['/usr/share/seabios', '/usr/lib/ipxe/qemu', '/usr/share/qemu'];

/** The xen-platform device is chosen: a guest that finds it looks for its disks and cards elsewhere. */
const MACHINE = 'pc-i440fx-7.2,accel=xen,suppress-vmdesc=on';

const VGA_DEVICES = { stdvga: 'VGA', cirrus: 'cirrus-vga' } as const;
/** QEMU's own name, and the ROM that boots from the network. */
const CARDS: Readonly<Record<CardModel, { driver: string; rom: string }>> = {
  e1000: { driver: 'e1000', rom: 'pxe-e1000.rom' },
  rtl8139: { driver: 'rtl8139', rom: 'pxe-rtl8139.rom' },
  'virtio-net': { driver: 'virtio-net-pci', rom: 'pxe-virtio.rom' },
};

/** A drive's device, for media changes: by its own name. */
export const driveId = (name: string): string => `drive-${name}`;
export const tapName = (index: number): string => `tap${index}`;

export function qemuArguments(machine: Machine): string[] {
  const { guest, choices, cards, drives } = machine;
  const networkBoot = choices.boot.includes('n');
  return [
    QEMU_PROGRAM,
    ...['-xen-domid', String(guest), '-xen-domid-restrict', '-machine', MACHINE],
    ...['-nodefaults', '-no-user-config', '-name', machine.name],
    ...['-m', String(machine.memoryMib), '-smp', String(machine.vcpus)],
    ...FIRMWARE_FOLDERS.flatMap((folder) => ['-L', folder]),
    ...['-boot', `order=${choices.boot}`],
    ...['-qmp', `unix:${insideRoot.qmp},server=on,wait=off`],
    ...(choices.xenPlatform ? device({ driver: 'xen-platform' }) : []),
    ...screen(machine),
    ...(choices.serial ? serial() : []),
    ...(choices.usbTablet ? tablet() : []),
    ...(drives.some(({ name }) => isSata(name)) ? device({ driver: 'ich9-ahci', id: 'ahci' }) : []),
    ...drives.flatMap((one) => drive(one, choices.xenPlatform)),
    ...cards.flatMap((card) => networkCard(card, networkBoot)),
  ];
}

type Properties = Readonly<Record<string, string | number | boolean | null | object>>;

const device = (properties: Properties): string[] => ['-device', JSON.stringify(properties)];

function screen({ choices: { vga }, videoMib }: Machine): string[] {
  const none = ['-display', 'none'];
  if (vga === 'none') return none;
  const memory = videoMib > 0 ? { vgamem_mb: videoMib } : {};
  return [
    ...none,
    // Whoever asks for a screen alone does not get it alone.
    ...['-vnc', `unix:${insideRoot.vnc},share=force-shared`],
    ...device({ driver: VGA_DEVICES[vga], ...memory }),
  ];
}

const serial = (): string[] => [
  ...['-chardev', `socket,id=serial,path=${insideRoot.serial},server=on,wait=off`],
  ...device({ driver: 'isa-serial', chardev: 'serial' }),
];

const tablet = (): string[] => [
  ...device({ driver: 'piix3-usb-uhci', id: 'usb' }),
  ...device({ driver: 'usb-tablet', bus: 'usb.0' }),
];

const isSata = (name: string): boolean => name.startsWith('sd');

/** `hda` is master on the first IDE cable, `hdd` slave on the second; each SATA drive has a cable of its own. */
function place(name: string): Properties {
  const number = name.charCodeAt(2) - 'a'.charCodeAt(0);
  return isSata(name) ? { bus: `ahci.${number}` } : { bus: `ide.${number >> 1}`, unit: number & 1 };
}

function drive({ name, device: disk, cdrom, format, readOnly }: EmulatedDrive, mayGo: boolean): string[] {
  const node = `disk-${name}`;
  const properties = { driver: cdrom ? 'ide-cd' : 'ide-hd', id: driveId(name), ...place(name) };
  if (disk === null) return device(properties);
  // What fails is the guest's affair, as with a broken disk; QEMU would by itself stop the machine where the disk is full.
  const errors = { werror: 'report', rerror: 'report' };
  return [
    ...(mayGo && canBeTakenAway(name, cdrom) && format === 'raw'
      ? ['-drive', diskThatMayGo(node, disk)]
      : ['-blockdev', JSON.stringify(blockNode(node, disk, format, cdrom || readOnly))]),
    ...device({ ...properties, drive: node, ...errors }),
  ];
}

/**
 * The same in QEMU's older words: when a guest's drivers have the disk taken away, QEMU 7.2 ends with a segmentation fault if it was described as a
 * block node; by its source, it drops one reference too many. A comma ends a value, two are one. @source QEMU 7.2 hw/i386/xen/xen_platform.c, pci_xen_ide_unplug()
 */
const diskThatMayGo = (node: string, disk: string): string =>
  `if=none,id=${node},driver=raw,cache.direct=off,discard=unmap,file.driver=host_device,file.filename=/dev/${disk.replaceAll(',', ',,')}`;

/**
 * Through the page cache, which goes to the disk when the guest flushes its own: the guest's pages are foreign here, and Linux makes no direct I/O
 * to foreign pages (EFAULT).
 */
function blockNode(node: string, disk: string, format: 'raw' | 'qcow2', readOnly: boolean): Properties {
  const options = { 'read-only': readOnly, cache: { direct: false }, discard: 'unmap' };
  const file = { driver: 'host_device', filename: `/dev/${disk}`, ...options };
  // An image that names another file as its base does not get it.
  return format === 'raw'
    ? { ...file, 'node-name': node }
    : { driver: 'qcow2', 'node-name': node, ...options, backing: null, file };
}

function networkCard({ index, mac, model }: EmulatedCard, networkBoot: boolean): string[] {
  const id = `net${index}`;
  const { driver, rom } = CARDS[model];
  return [
    ...['-netdev', JSON.stringify({ type: 'tap', id, ifname: tapName(index), script: 'no', downscript: 'no' })],
    ...device({ driver, netdev: id, mac, romfile: networkBoot ? rom : '' }),
  ];
}
