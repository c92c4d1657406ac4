/** The volumes of a guest, and how one goes into a CD drive of its emulated PC, or out of it. */
import { QEMU_VOLUME } from '../../contracts/qemu-volume.ts';
import type { DriveConfig } from '../../contracts/toolstack.ts';
import { RpcError } from '../../kit/rpc.ts';
import type { DeviceModel } from './device-model.ts';
import {
  BackendError,
  backendReady,
  type Device,
  frontendPath,
  plugDevice,
  unplugDevice,
  XENBUS_CONNECTED,
} from './devices.ts';
import { driveDevice, driveDisk, emulatedPc } from './emulated-machine.ts';
import type { GuestPorts } from './guest-domain.ts';
import type { GuestRecord, SettledConfig } from './guest-record.ts';

const PLUG_TIMEOUT_MS = 30_000;
const UNPLUG_TIMEOUT_MS = 15_000;

/** In the place of a drive's name. */
export const OF_QEMU = 'of its Qemu VM';

export interface UsedVolume {
  readonly vdev: string;
  readonly volume: string;
  readonly access: 'r' | 'w';
}

/** Those of its own disks, of its drives, and the one with QEMU's files. */
export function volumesOf(config: Pick<SettledConfig, 'disks'> & { readonly boot: ConfigBoot }): readonly UsedVolume[] {
  const { boot, disks } = config;
  if (boot.type !== 'hvm') return disks;
  const media = boot.machine.drives.flatMap(({ vdev, volume, access }) =>
    volume === null ? [] : [{ vdev, volume, access }],
  );
  return [...disks, ...media, { vdev: OF_QEMU, volume: QEMU_VOLUME, access: 'r' }];
}
type ConfigBoot =
  | { readonly type: 'pv' | 'pvh' }
  | { readonly type: 'hvm'; readonly machine: { readonly drives: readonly DriveConfig[] } };

export interface MediumChange {
  readonly vdev: string;
  readonly volume: string | null;
}

/**
 * QEMU lets go of a medium before its disk is unplugged, and is given one after its disk works. `settled` keeps what is so now: at the beginning,
 * so that nobody else writes to a volume on its way in, and when it has not got there.
 */
export async function changeMedium(
  ports: GuestPorts,
  record: GuestRecord,
  deviceModel: DeviceModel,
  { vdev, volume }: MediumChange,
  settled: (config: SettledConfig) => Promise<void>,
): Promise<void> {
  const { config, storageDomid } = record;
  const drives = emulatedPc(config)?.drives ?? [];
  const place = drives.findIndex((drive) => drive.vdev === vdev);
  const drive = drives[place];
  if (!drive?.cdrom) throw new RpcError('bad-config', `guest ${config.name} has no CD drive ${vdev}`);
  if (storageDomid === null) throw new RangeError('a Qemu VM without storage');
  const deviceWith = (medium: string | null) =>
    driveDevice(deviceModel.domid, storageDomid, place, { ...drive, volume: medium });
  const before = deviceWith(drive.volume);
  if (before) {
    await deviceModel.changeMedium(vdev, null);
    await unplug(ports, config.name, before);
  }
  await settled(withMedium(config, place, volume));
  const after = deviceWith(volume);
  if (!after) return;
  try {
    await plug(ports, after);
    await deviceModel.changeMedium(vdev, driveDisk(place));
  } catch (error) {
    await unplug(ports, config.name, after);
    await settled(withMedium(config, place, null));
    throw error instanceof BackendError ? new RpcError('volume-failed', error.message) : error;
  }
}

async function plug({ xenstore, ownDomid }: GuestPorts, device: Device): Promise<void> {
  await plugDevice(xenstore, device, ownDomid);
  await backendReady(xenstore, device, PLUG_TIMEOUT_MS);
  await xenstore
    .waitFor(
      `${frontendPath(device)}/state`,
      (state) => (state === XENBUS_CONNECTED ? true : undefined),
      PLUG_TIMEOUT_MS,
    )
    .catch((error: unknown) => {
      throw new RpcError('device-model-failed', `the Qemu VM does not connect the medium's disk: ${String(error)}`);
    });
}

async function unplug({ xenstore, log }: GuestPorts, name: string, device: Device): Promise<void> {
  if (!(await unplugDevice(xenstore, device, { frontendGone: false, timeoutMs: UNPLUG_TIMEOUT_MS })))
    log(`guest ${name}: domain ${device.backend} did not let go of a medium's disk in time`);
}

function withMedium(config: SettledConfig, place: number, volume: string | null): SettledConfig {
  const { boot } = config;
  if (boot.type !== 'hvm') return config;
  const drives = boot.machine.drives.map((drive, index) => (index === place ? { ...drive, volume } : drive));
  return { ...config, boot: { ...boot, machine: { ...boot.machine, drives } } };
}
