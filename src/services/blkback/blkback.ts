/** BlkBack: finds its disk, mounts it, and serves the volumes on it. */
import { BackendDevices } from '../../kit/backend-devices.ts';
import { type DriverVm, runDriverVm, type Stop } from '../../kit/driver-vm.ts';
import { waitForHardware } from '../../kit/hardware.ts';
import type { Clock, Files, Log, LoopDevices, Power, Streams, Uevents } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';
import { DISK_LABEL, findDisk } from './disk.ts';
import { VbdBackends } from './vbd-backends.ts';
import { serveVolumeRequests } from './volume-requests.ts';
import { VolumeStore } from './volume-store.ts';

export interface BlkbackPorts {
  readonly store: XenStore;
  readonly files: Files;
  readonly streams: Streams;
  readonly loopDevices: LoopDevices;
  readonly uevents: Uevents;
  readonly clock: Clock;
  readonly power: Power;
  readonly log: Log;
}

export const MOUNT_POINT = '/disk';
export const VOLUME_FOLDER = `${MOUNT_POINT}/volumes`;

/** Spinning disks need some seconds to come up. */
const DISK_WAIT_MS = 30_000;
/** All guests' disks together: a loop device and a ring each. */
const VBDS_MAX = 128;
const MOUNT_TABLE_BYTES_MAX = 64 * 1024;

export const runBlkback = (ports: BlkbackPorts): Promise<void> => runDriverVm(ports, (vm) => startBlkback(ports, vm));

async function startBlkback(ports: BlkbackPorts, vm: DriverVm): Promise<Stop> {
  const { store, files, log } = ports;
  if (!isMounted(files)) {
    const disk = await waitForHardware(
      ports,
      () => findDisk(ports),
      `disk with an ext4 file system labelled ${DISK_LABEL}`,
      DISK_WAIT_MS,
    );
    if (files.stat(MOUNT_POINT) === null) files.makeDirectory(MOUNT_POINT, 0o700);
    files.mount(disk, MOUNT_POINT, 'ext4');
    log(`volumes are on ${disk}`);
  }
  const volumes = new VolumeStore(files, VOLUME_FOLDER);
  const vbds = new VbdBackends(ports, volumes);
  const devices = new BackendDevices({ store, log, domid: vm.domid, class: 'vbd', devicesMax: VBDS_MAX }, vbds);
  await devices.start();
  // A loop device that Linux detaches at last announces it: whoever waits for that volume can have it.
  const stopListening = ports.uevents.listen(() => devices.lookAgain());
  vbds.detachStrays();
  const stopServing = await serveVolumeRequests(ports, vm.domid, volumes, vbds);
  return async () => {
    await stopServing();
    stopListening();
    await devices.stop();
    putAway(files, log);
  };
}

/** A process that starts again finds the disk mounted. */
function isMounted(files: Files): boolean {
  const table = new TextDecoder().decode(files.read('/proc/self/mounts', MOUNT_TABLE_BYTES_MAX));
  return table.split('\n').some((line) => line.split(' ')[1] === MOUNT_POINT);
}

/** A guest that still holds a disk keeps the file system busy; its journal makes the next mount whole. */
function putAway(files: Files, log: Log): void {
  files.sync();
  try {
    files.unmount(MOUNT_POINT);
  } catch (error) {
    log(`${MOUNT_POINT} stays mounted: ${String(error)}`);
  }
}
