/** A Qemu VM's own paravirtual devices, and the emulated ones that it makes of them for its guest. */
import type { Machine } from '../../contracts/device-model.ts';
import { QEMU_DEVICE, QEMU_VOLUME } from '../../contracts/qemu-volume.ts';
import type { DriveConfig } from '../../contracts/toolstack.ts';
import type { DomId } from '../../xen/ports.ts';
import { type Device, diskDevice, vifDevice } from './devices.ts';
import type { GuestRecord, SettledConfig } from './guest-record.ts';

type EmulatedPc = Extract<SettledConfig['boot'], { type: 'hvm' }>['machine'];

/** null: the guest needs none. */
export const emulatedPc = ({ boot }: SettledConfig): EmulatedPc | null => (boot.type === 'hvm' ? boot.machine : null);

/** Each drive has the letter of its place for good: a medium that goes in later finds it free. */
export const driveDisk = (place: number): string => `xvd${String.fromCharCode('a'.charCodeAt(0) + place)}`;

export const driveDevice = (deviceModel: DomId, storage: DomId, place: number, drive: DriveConfig): Device | null =>
  drive.volume === null
    ? null
    : diskDevice(deviceModel, storage, { vdev: driveDisk(place), volume: drive.volume, access: drive.access });

export function deviceModelDevices({ config, deviceModel, storageDomid, networkDomid }: GuestRecord): Device[] {
  const pc = emulatedPc(config);
  if (pc === null || deviceModel === null) return [];
  const files = { vdev: QEMU_DEVICE, volume: QEMU_VOLUME, access: 'r' } as const;
  const disks =
    storageDomid === null
      ? []
      : [
          diskDevice(deviceModel, storageDomid, files),
          ...pc.drives.flatMap((drive, place) => driveDevice(deviceModel, storageDomid, place, drive) ?? []),
        ];
  const cards =
    networkDomid === null
      ? []
      : pc.cards.map(({ mac, bridge }, index) =>
          vifDevice(deviceModel, networkDomid, index, { mac: ownAddress(mac), bridge }),
        );
  return [...disks, ...cards];
}

/**
 * The Qemu VM's own card must not have its guest's address: their bridge would keep what is for the guest. The bit of local
 * administration makes another of it, and no two guests the same.
 */
export function ownAddress(guestMac: string): string {
  const first = Number.parseInt(guestMac.slice(0, 2), 16) ^ 0x02;
  return `${first.toString(16).padStart(2, '0')}${guestMac.slice(2)}`;
}

/** What its Qemu VM is told to emulate. */
export function machineOf({ domid, config }: GuestRecord): Machine {
  const { boot, name, memoryMib, vcpus } = config;
  if (boot.type !== 'hvm') throw new RangeError(`guest ${name} has no emulated PC`);
  const { drives, cards, ...choices } = boot.machine;
  return {
    guest: domid,
    name,
    memoryMib,
    videoMib: boot.videoMib,
    vcpus,
    choices,
    drives: drives.map(({ vdev, volume, access, cdrom, format }, place) => ({
      name: vdev,
      device: volume === null ? null : driveDisk(place),
      cdrom,
      format,
      readOnly: access === 'r',
    })),
    cards: cards.map(({ mac, model }, index) => ({ index, mac, model })),
  };
}
