/** For tests: a guest whose PC a Qemu VM emulates. */
import { QEMU_VOLUME } from '../../../contracts/qemu-volume.ts';
import type { CardConfig, DriveConfig, GuestConfig } from '../../../contracts/toolstack.ts';
import type { SimulatedHost } from './simulated-host.ts';

export type Machine = Extract<GuestConfig['boot'], { type: 'hvm' }>['machine'];

export const hda: DriveConfig = { vdev: 'hda', volume: 'root', access: 'w', cdrom: false, format: 'raw' };
export const hdc: DriveConfig = { vdev: 'hdc', volume: null, access: 'r', cdrom: true, format: 'raw' };
const card: CardConfig = { model: 'e1000', mac: '00:16:3e:00:00:01' };

export const pc = (changes: Partial<GuestConfig> = {}, machine: Partial<Machine> = {}): GuestConfig => ({
  name: 'pc',
  memoryMib: 128,
  vcpus: 1,
  boot: {
    type: 'hvm',
    firmware: 'seabios',
    videoMib: 16,
    acpi: true,
    apic: true,
    hpet: false,
    clockOffsetSeconds: 0,
    machine: {
      boot: 'cd',
      vga: 'stdvga',
      usbTablet: true,
      serial: true,
      xenPlatform: false,
      drives: [hda, hdc],
      cards: [card],
      ...machine,
    },
  },
  disks: [],
  vifs: [],
  onPoweroff: 'destroy',
  onReboot: 'restart',
  onCrash: 'destroy',
  ...changes,
});

/** The volumes that such guests use; firmware that says so on their serial ports. */
export function furnish(host: SimulatedHost): void {
  for (const name of ['root', 'cd1', 'cd2', QEMU_VOLUME]) host.backEnds.volumes.set(name, new Uint8Array(4096));
  host.builder.boot = ({ domid, console }) => {
    const qemu = host.builder.qemus.get(domid);
    if (qemu) qemu.print('SeaBIOS\r\n');
    else console.print('boots\r\n');
  };
}
