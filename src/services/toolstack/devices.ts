/** Paravirtual devices: the nodes of both ends, and their common states. */
import type { DomId } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';
import { vdevNumber } from './device-numbers.ts';
import { home, type Node, ownedBy, writeNodes } from './nodes.ts';

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
      // Empty: Linux's back end waits until NetBack has put the interface on its bridge.
      'hotplug-status': '',
    },
  };
}

/** Each end owns its nodes and reads the other's. */
export function deviceNodes(device: Device): Node[] {
  const front = frontendPath(device);
  const back = backendPath(device);
  const frontendValues = {
    backend: back,
    'backend-id': String(device.backend),
    state: XENBUS_INITIALISING,
    trusted: '1',
    ...device.frontendValues,
  };
  const backendValues = {
    frontend: front,
    'frontend-id': String(device.frontend),
    online: '1',
    ...device.backendValues,
    // Last: a back end that sees it finds everything else in place.
    state: XENBUS_INITIALISING,
  };
  const end = (path: string, values: Record<string, string>, owner: DomId, reader: DomId): Node[] => {
    const permissions = ownedBy(owner, reader);
    const nodes = Object.entries(values).map(([key, value]) => ({ path: `${path}/${key}`, value, permissions }));
    return [{ path, value: '', permissions }, ...nodes];
  };
  return [
    ...end(front, frontendValues, device.frontend, device.backend),
    ...end(back, backendValues, device.backend, device.frontend),
  ];
}

export const plugDevice = (xenstore: XenStore, device: Device): Promise<void> =>
  xenstore.transaction((store) => writeNodes(store, deviceNodes(device)));

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

/** Driver VMs outlive their guests: a folder for each guest that ever was would pile up. */
function removeWithEmptyParent(xenstore: XenStore, path: string): Promise<void> {
  const parent = path.slice(0, path.lastIndexOf('/'));
  return xenstore.transaction(async (store) => {
    await store.remove(path);
    if ((await store.list(parent))?.length === 0) await store.remove(parent);
  });
}
