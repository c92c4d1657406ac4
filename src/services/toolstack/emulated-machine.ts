/** A Qemu VM's own paravirtual devices, the emulated ones that it makes of them for its guest, and the guest's own in their place. */
import { canBeTakenAway, type Machine } from '../../contracts/device-model.ts';
import { QEMU_DEVICE, QEMU_VOLUME } from '../../contracts/qemu-volume.ts';
import type { DriveConfig, GuestConfig } from '../../contracts/toolstack.ts';
import { SHARED_WITH } from '../../contracts/volumes.ts';
import type { DomId } from '../../xen/ports.ts';
import { type Device, diskDevice, vifDevice } from './devices.ts';
import type { GuestRecord, SettledConfig } from './guest-record.ts';

type AskedPc = Extract<GuestConfig['boot'], { type: 'hvm' }>['machine'];
type EmulatedPc = Extract<SettledConfig['boot'], { type: 'hvm' }>['machine'];

/** null: the guest needs none. */
export const emulatedPc = ({ boot }: SettledConfig): EmulatedPc | null => (boot.type === 'hvm' ? boot.machine : null);

/** Each drive has the letter of its place for good: a medium that goes in later finds it free. */
export const driveDisk = (place: number): string => `xvd${String.fromCharCode('a'.charCodeAt(0) + place)}`;

export const driveDevice = (deviceModel: DomId, storage: DomId, place: number, drive: DriveConfig): Device | null =>
  drive.volume === null
    ? null
    : diskDevice(deviceModel, storage, { vdev: driveDisk(place), volume: drive.volume, access: drive.access });

/** What a system with Xen's drivers can have in place of the emulated drive: an image in qcow2 has no back end but QEMU. */
const hasTwin = (pc: EmulatedPc, { vdev, cdrom, format }: DriveConfig): boolean =>
  pc.xenPlatform && canBeTakenAway(vdev, cdrom) && format === 'raw';

/** null: none. A system that had its disk taken away and found no other would stand without it. */
export function platformProblem({ xenPlatform, drives, cards }: AskedPc): string | null {
  const lost = drives.find(({ vdev, cdrom, format }) => canBeTakenAway(vdev, cdrom) && format === 'qcow2');
  if (xenPlatform && lost)
    return `disk ${lost.vdev}: a disk in qcow2 on IDE is emulated alone, so xen_platform_pci must be 0 (or the disk on SATA, as sda)`;
  if (!xenPlatform && cards.some(({ model }) => model === null))
    return 'a card of type vif is for systems with Xen drivers, so xen_platform_pci must be 1';
  return null;
}

const sharedWith = (device: Device, other: DomId): Device => ({
  ...device,
  backendValues: { ...device.backendValues, [SHARED_WITH]: String(other) },
});

/** The guest's own paravirtual devices. */
export function twinDevices({ domid, config, deviceModel, storageDomid, networkDomid }: GuestRecord): Device[] {
  const pc = emulatedPc(config);
  if (!pc?.xenPlatform || deviceModel === null) return [];
  const disks = pc.drives.flatMap((drive) => {
    const { vdev, volume, access } = drive;
    if (storageDomid === null || volume === null || !hasTwin(pc, drive)) return [];
    return sharedWith(diskDevice(domid, storageDomid, { vdev, volume, access }), deviceModel);
  });
  const cards = networkDomid === null ? [] : pc.cards.map((card, index) => vifDevice(domid, networkDomid, index, card));
  return [...disks, ...cards];
}

export function deviceModelDevices(record: GuestRecord): Device[] {
  const { domid, config, deviceModel, storageDomid, networkDomid } = record;
  const pc = emulatedPc(config);
  if (pc === null || deviceModel === null) return [];
  const files = { vdev: QEMU_DEVICE, volume: QEMU_VOLUME, access: 'r' } as const;
  const disks =
    storageDomid === null
      ? []
      : [
          diskDevice(deviceModel, storageDomid, files),
          ...pc.drives.flatMap((drive, place) => {
            const device = driveDevice(deviceModel, storageDomid, place, drive);
            if (device === null) return [];
            return hasTwin(pc, drive) ? sharedWith(device, domid) : device;
          }),
        ];
  const cards =
    networkDomid === null
      ? []
      : pc.cards.flatMap(({ mac, bridge, model }, index) =>
          model === null ? [] : vifDevice(deviceModel, networkDomid, index, { mac: ownAddress(mac), bridge }),
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
    cards: cards.flatMap(({ mac, model }, index) => (model === null ? [] : { index, mac, model })),
  };
}
