/** Paravirtual devices: the nodes of both ends, and their common states. */
import type { DomId, Log } from '../../xen/ports.ts';
import type { NewNode, NodePermission, XenStore } from '../../xen/xenstore-port.ts';
import { vdevNumber } from './device-numbers.ts';
import { both, home, ownedBy, reads } from './nodes.ts';

/** @source xen/include/public/io/xenbus.h, enum xenbus_state */
export const XENBUS_INITIALISING = '1';
export const XENBUS_CONNECTED = '4';
export const XENBUS_CLOSING = '5';
export const XENBUS_CLOSED = '6';

export interface Device {
  readonly kind: 'vbd' | 'vif';
  readonly devid: number;
  readonly frontend: DomId;
  readonly backend: DomId;
  /** Of one end only; what both ends always have is added by `deviceNodes`. */
  readonly frontendValues: Readonly<Record<string, string>>;
  readonly backendValues: Readonly<Record<string, string>>;
}

export const frontendPath = (device: Device): string =>
  `${home(device.frontend)}/device/${device.kind}/${device.devid}`;
export const backendPath = (device: Device): string =>
  `${home(device.backend)}/backend/${device.kind}/${device.frontend}/${device.devid}`;

export interface Disk {
  readonly vdev: string;
  readonly volume: string;
  readonly access: 'r' | 'w';
}

/** The back end's `params` is a volume's name: see src/contracts/volumes.ts. */
export function diskDevice(frontend: DomId, backend: DomId, disk: Disk): Device {
  const devid = vdevNumber(disk.vdev);
  if (devid === null) throw new RangeError(`no virtual disk is called ${disk.vdev}`);
  return {
    kind: 'vbd',
    devid,
    frontend,
    backend,
    frontendValues: { 'virtual-device': String(devid), 'device-type': 'disk' },
    backendValues: {
      params: disk.volume,
      dev: disk.vdev,
      mode: disk.access,
      type: 'phy',
      'device-type': 'disk',
      removable: '0',
      bootable: '1',
      'discard-enable': '1',
    },
  };
}

export function vifDevice(
  frontend: DomId,
  backend: DomId,
  devid: number,
  vif: { readonly mac: string; readonly bridge: string },
): Device {
  return {
    kind: 'vif',
    devid,
    frontend,
    backend,
    frontendValues: { handle: String(devid), mac: vif.mac },
    backendValues: {
      handle: String(devid),
      mac: vif.mac,
      bridge: vif.bridge,
      type: 'vif',
      script: '',
    },
  };
}

/**
 * Toolstack makes the nodes of both ends and so owns them; each end may write to its own and read the other's. A node that a driver
 * adds has that driver as its owner and the folder's other permissions: hence Toolstack's own name among them.
 */
export function deviceNodes(device: Device, toolstack: DomId): NewNode[] {
  const { frontend, backend } = device;
  const front = frontendPath(device);
  const back = backendPath(device);
  const frontendValues = {
    backend: back,
    'backend-id': String(backend),
    trusted: '1',
    ...device.frontendValues,
    state: XENBUS_INITIALISING,
  };
  const backendValues = {
    frontend: front,
    'frontend-id': String(frontend),
    online: '1',
    ...device.backendValues,
    // Empty: the driver VM has not put anything behind the device yet, and Linux's back end waits for that.
    'hotplug-status': '',
    'hotplug-error': '',
    // Last: a back end that sees it finds everything else in place.
    state: XENBUS_INITIALISING,
  };
  return [
    ...endNodes(front, frontendValues, ownedBy(toolstack, both(frontend), reads(backend))),
    ...endNodes(back, backendValues, ownedBy(toolstack, both(backend), reads(frontend), both(toolstack))),
  ];
}

function endNodes(path: string, values: Record<string, string>, permissions: readonly NodePermission[]): NewNode[] {
  const nodes = Object.entries(values).map(([key, value]) => ({ path: `${path}/${key}`, value, permissions }));
  return [{ path, value: '', permissions }, ...nodes];
}

export const plugDevice = (xenstore: XenStore, device: Device, toolstack: DomId): Promise<void> =>
  xenstore.make(deviceNodes(device, toolstack));

/** What the back end says when it cannot serve a device. */
export class BackendError extends Error {}

/** Waits until the driver VM has put the volume or the bridge behind the device. */
export async function backendReady(xenstore: XenStore, device: Device, timeoutMs: number): Promise<void> {
  const path = backendPath(device);
  const status = await xenstore.waitFor(
    `${path}/hotplug-status`,
    (value) => (value === 'connected' || value === 'error' ? value : undefined),
    timeoutMs,
  );
  if (status === 'connected') return;
  const why = await xenstore.read(`${path}/hotplug-error`);
  throw new BackendError(why || `the back end refused ${device.kind} ${device.devid}`);
}

/**
 * Calls `connected` once each back end has had a ring of its guest. PV GRUB's front end is never Connected itself, so the back end is
 * asked. Resolves to the function that ends it.
 */
export async function onceConnected(
  { xenstore, log }: { readonly xenstore: XenStore; readonly log: Log },
  devices: readonly Device[],
  connected: () => void,
): Promise<() => Promise<void>> {
  const missing = new Set(devices);
  const look = async (device: Device): Promise<void> => {
    if ((await xenstore.read(`${backendPath(device)}/state`)) !== XENBUS_CONNECTED) return;
    if (missing.delete(device) && missing.size === 0) connected();
  };
  const unwatches = await Promise.all(
    devices.map((device) =>
      xenstore.watch(`${backendPath(device)}/state`, () => {
        look(device).catch((error: unknown) => log(`${backendPath(device)}: ${String(error)}`));
      }),
    ),
  );
  return async () => {
    for (const unwatch of unwatches) await unwatch();
  };
}

/**
 * Asks the back end to let go, waits until it has (at most `timeoutMs`), and removes the nodes of both ends.
 * `frontendGone`: the VM is dead, so that nobody but us can close its end. False: the back end did not answer in time.
 */
export async function unplugDevice(
  xenstore: XenStore,
  device: Device,
  options: { frontendGone: boolean; timeoutMs: number },
): Promise<boolean> {
  const back = backendPath(device);
  await xenstore.transaction(async (store) => {
    const state = await store.read(`${back}/state`);
    if (state === null || state === XENBUS_CLOSED) return;
    await store.write(`${back}/online`, '0');
    await store.write(`${back}/state`, XENBUS_CLOSING);
  });
  if (options.frontendGone) await xenstore.remove(frontendPath(device));
  const closed = await xenstore
    .waitFor(
      `${back}/state`,
      (value) => (value === null || value === XENBUS_CLOSED ? true : undefined),
      options.timeoutMs,
    )
    .catch(() => false);
  await removeWithEmptyParent(xenstore, frontendPath(device));
  await removeWithEmptyParent(xenstore, back);
  return closed;
}

/**
 * Driver VMs outlive their guests: a folder for each guest that ever was would pile up. The device goes first, by its own name: Linux's front
 * end does not see it go with a folder as high as `device/vbd`, and would take the next device there for the one it has.
 * @source Linux drivers/xen/xenbus/xenbus_probe.c, xenbus_dev_changed
 */
function removeWithEmptyParent(xenstore: XenStore, path: string): Promise<void> {
  const parent = path.slice(0, path.lastIndexOf('/'));
  return xenstore.transaction(async (store) => {
    await store.remove(path);
    if ((await store.list(parent))?.length === 0) await store.remove(parent);
  });
}
