/** The settings of a guest whose system knows nothing of Xen: its firmware, and the PC that a Qemu VM emulates for it. */
import { canBeTakenAway } from '../../contracts/device-model.ts';
import type { CardConfig, DriveConfig, GuestConfig } from '../../contracts/toolstack.ts';
import { parseCard, parseDrive } from './device-text.ts';
import type { SettingReader } from './setting-reader.ts';

type HvmBoot = Extract<GuestConfig['boot'], { type: 'hvm' }>;
type Vga = HvmBoot['machine']['vga'];

/** MiB that a card needs at least, and gets where the file does not say. @source xen docs/man/xl.cfg.5.pod, videoram */
const VIDEO_MIB: Readonly<Record<Vga, number>> = { stdvga: 16, cirrus: 8, none: 0 };
const VIDEO_MIB_MAX = 64;
const DEFAULT_BOOT_ORDER = 'cd';

const OF_VNC = ['vncconsole', 'vncviewer', 'vnclisten', 'vncdisplay', 'vncunused', 'vncpasswd'];
const OF_OTHER_SCREENS = ['sdl', 'spice'];
const OF_DEVICE_MODEL = [
  'device_model_version',
  'device_model_override',
  'device_model_stubdomain_override',
  'device_model_user',
  'device_model_args',
  'device_model_args_hvm',
];
const OF_PV_KERNELS = ['kernel', 'ramdisk', 'cmdline', 'root', 'extra'];

/** `zoneSeconds`: how far the operator's local time is before UTC. */
export function hvmBoot(reader: SettingReader, zoneSeconds: number): HvmBoot {
  checkFirmware(reader);
  const vga = vgaOf(reader);
  passOver(reader);
  const drives = reader.devices<DriveConfig>('disk', 'drives', parseDrive);
  return {
    type: 'hvm',
    firmware: 'seabios',
    videoMib: videoMib(reader, vga),
    acpi: reader.flag('acpi', true),
    apic: reader.flag('apic', true),
    hpet: reader.flag('hpet', true),
    clockOffsetSeconds: clockOffset(reader, zoneSeconds),
    machine: {
      boot: bootOrder(reader),
      vga,
      usbTablet: usbTablet(reader),
      serial: serial(reader),
      xenPlatform: reader.flag('xen_platform_pci', !drives.some(wouldBeLost)),
      drives,
      cards: reader.devices<CardConfig>('vif', 'cards', parseCard),
    },
  };
}

/** There is no paravirtual one to go on with. */
const wouldBeLost = ({ vdev, cdrom, format }: DriveConfig): boolean =>
  canBeTakenAway(vdev, cdrom) && format === 'qcow2';

function checkFirmware(reader: SettingReader): void {
  const bios = reader.string('bios') ?? 'seabios';
  if (bios === 'ovmf')
    throw reader.wrong('bios', "ovmf is not supported: Debian's package ovmf holds no build for Xen; seabios is");
  if (bios !== 'seabios') throw reader.wrong('bios', `${bios} is not supported: only seabios is`);
}

function vgaOf(reader: SettingReader): Vga {
  const old = reader.flag('stdvga', true);
  return reader.oneOf('vga', ['stdvga', 'cirrus', 'none'], old ? 'stdvga' : 'cirrus');
}

function videoMib(reader: SettingReader, vga: Vga): number {
  const least = VIDEO_MIB[vga];
  const asked = reader.number('videoram');
  if (asked === undefined || vga === 'none') return least;
  const sizes: number[] = [];
  for (let size = least; size <= VIDEO_MIB_MAX; size *= 2) sizes.push(size);
  if (!sizes.includes(asked))
    throw reader.wrong('videoram', `${asked} is not one of ${sizes.join(', ')} (MiB), which vga ${vga} can have`);
  return asked;
}

function bootOrder(reader: SettingReader): string {
  const order = reader.string('boot') ?? DEFAULT_BOOT_ORDER;
  if (!/^[cdn]{1,3}$/.test(order) || new Set(order).size < order.length)
    throw reader.wrong('boot', `${JSON.stringify(order)} is not made of c (disk), d (CD) and n (network), each once`);
  return order;
}

function usbTablet(reader: SettingReader): boolean {
  reader.flag('usb', false);
  const devices = reader.strings('usbdevice');
  const other = devices.find((device) => device !== 'tablet');
  if (other !== undefined) throw reader.wrong('usbdevice', `${other} is not supported: only tablet is`);
  return devices.length > 0;
}

/** The two add up, as in xl. */
function clockOffset(reader: SettingReader, zoneSeconds: number): number {
  const asked = reader.signedNumber('rtc_timeoffset', 'clockOffsetSeconds') ?? 0;
  return asked + (reader.flag('localtime', false) ? zoneSeconds : 0);
}

function serial(reader: SettingReader): boolean {
  const ports = reader.strings('serial').filter((port) => port !== 'none' && port !== '');
  if (ports.length > 1) throw reader.wrong('serial', 'names more than one port, and there is one');
  if (ports[0] !== undefined && ports[0] !== 'pty')
    throw reader.wrong('serial', `${ports[0]} is not supported: pty is, which ennead console shows`);
  return ports.length > 0;
}

function passOver(reader: SettingReader): void {
  reader.flag('vnc', true);
  reader.ignore(OF_VNC, 'no port listens anywhere; to see the screen: ennead vnc');
  reader.ignore(OF_OTHER_SCREENS, 'the screen is shown by: ennead vnc');
  reader.ignore(OF_DEVICE_MODEL, 'a guest of type hvm has a Qemu VM of its own');
  reader.ignore(OF_PV_KERNELS, 'a guest of type hvm boots from its drives');
}
