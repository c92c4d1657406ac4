/** Attaches a volume to Toolstack itself: Linux's blkfront makes it a block device, through which it is imported or exported. */
import { RpcError } from '../../kit/rpc.ts';
import type { Clock, DomId, Log } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';
import {
  backendReady,
  type Device,
  diskDevice,
  frontendPath,
  plugDevice,
  unplugDevice,
  XENBUS_CONNECTED,
} from './devices.ts';

/** A disk that blocks: each call is short, because each moves little and what is not yet on the disk stays little. */
export interface BlockDevice {
  readonly bytes: number;
  readAt(offset: number, length: number): Uint8Array;
  writeAt(offset: number, bytes: Uint8Array): void;
  /** Everything written is on the disk. */
  flush(): void;
  close(): void;
}

export interface BlockDevices {
  /** null: Linux has not made the device yet. */
  open(name: string, access: 'r' | 'w'): BlockDevice | null;
}

export interface OwnDiskPorts {
  readonly xenstore: XenStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly blockDevices: BlockDevices;
  readonly ownDomid: DomId;
}

/** As many transfers at once; each has its own device. */
const SLOTS = ['xvda', 'xvdb', 'xvdc', 'xvdd'];
const CONNECT_TIMEOUT_MS = 30_000;
const UNPLUG_TIMEOUT_MS = 15_000;
const DEVICE_LOOK_MS = 20;

export class OwnDisks {
  private readonly used = new Set<string>();

  constructor(private readonly ports: OwnDiskPorts) {}

  /** Runs `body` with the volume attached; detaches it whatever happens. */
  async with<T>(
    storage: DomId,
    volume: string,
    access: 'r' | 'w',
    body: (disk: BlockDevice) => Promise<T>,
  ): Promise<T> {
    const slot = SLOTS.find((name) => !this.used.has(name));
    if (!slot) throw new RpcError('busy', `${SLOTS.length} transfers run already; try again later`);
    this.used.add(slot);
    const device = diskDevice(this.ports.ownDomid, storage, { vdev: slot, volume, access });
    try {
      const disk = await this.connect(device, slot, access);
      try {
        return await body(disk);
      } finally {
        disk.close();
      }
    } finally {
      await this.release(device);
      this.used.delete(slot);
    }
  }

  /** Devices that an earlier process of this VM has left attached. */
  async releaseLeftOver(storage: DomId): Promise<void> {
    for (const vdev of SLOTS) {
      const device = diskDevice(this.ports.ownDomid, storage, { vdev, volume: '', access: 'r' });
      if ((await this.ports.xenstore.read(`${frontendPath(device)}/state`)) !== null) await this.release(device);
    }
  }

  private async connect(device: Device, slot: string, access: 'r' | 'w'): Promise<BlockDevice> {
    const { xenstore } = this.ports;
    await plugDevice(xenstore, device, this.ports.ownDomid);
    await backendReady(xenstore, device, CONNECT_TIMEOUT_MS);
    await xenstore
      .waitFor(
        `${frontendPath(device)}/state`,
        (state) => (state === XENBUS_CONNECTED ? true : undefined),
        CONNECT_TIMEOUT_MS,
      )
      .catch((error: unknown) => {
        throw new RpcError('volume-failed', `Linux does not connect ${slot}: ${String(error)}`);
      });
    return this.deviceFile(slot, access);
  }

  /** Linux says "connected" just before it makes the device file, and tells nobody when it has. */
  private async deviceFile(slot: string, access: 'r' | 'w'): Promise<BlockDevice> {
    const { clock, blockDevices } = this.ports;
    const deadline = clock.nowMs() + CONNECT_TIMEOUT_MS;
    for (;;) {
      const disk = blockDevices.open(slot, access);
      if (disk) return disk;
      if (clock.nowMs() > deadline) throw new RpcError('volume-failed', `Linux has made no device ${slot}`);
      await new Promise<void>((resolve) => clock.after(DEVICE_LOOK_MS, resolve));
    }
  }

  private async release(device: Device): Promise<void> {
    const options = { frontendGone: false, timeoutMs: UNPLUG_TIMEOUT_MS };
    if (!(await unplugDevice(this.ports.xenstore, device, options)))
      this.ports.log(`own disk ${device.devid}: domain ${device.backend} did not let go in time`);
  }
}
