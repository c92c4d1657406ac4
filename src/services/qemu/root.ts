/**
 * What QEMU sees of its VM: the volume with its files, read-only, as its root; the nodes of devices; and a folder for its sockets. Nothing else.
 *
 * While QEMU starts, it may open Xen's devices; it restricts what it has open to its guest (-xen-domid-restrict), and then the nodes are closed to
 * its user, so that whoever takes it over opens none that is not restricted.
 */
import { QEMU_DEVICE } from '../../contracts/qemu-volume.ts';
import { waitForHardware } from '../../kit/hardware.ts';
import type { Clock, Files, Uevents } from '../../xen/ports.ts';

/** QEMU's user: nobody else has this number here. */
export const QEMU_UID = 100;
export const QEMU_ROOT = '/qemu';

/** Of this folder QEMU's user may change nothing; in `sockets` it makes its own files. */
const RUN = '/run';
const SOCKETS = `${RUN}/sockets`;
/** As QEMU names them. */
export const insideRoot = {
  qmp: `${SOCKETS}/qmp`,
  vnc: `${SOCKETS}/vnc`,
  serial: `${SOCKETS}/serial`,
  screen: `${RUN}/screen.ppm`,
} as const;
/** As this program does. */
export const outside = (path: string): string => `${QEMU_ROOT}${path}`;

/** A screen of 2560 × 1600, and a little more. */
const RUN_SIZE = '16m';
const DEVICES_TO_START = ['xen/privcmd', 'xen/hypercall', 'xen/evtchn', 'xen/xenbus', 'net/tun'];
const OPEN_MODE = 0o666;
const CLOSED_MODE = 0o600;
/** Toolstack plugs the volume when BlkBack is there, which may just be starting again. */
const VOLUME_WAIT_MS = 60_000;

export interface RootPorts {
  readonly files: Files;
  readonly uevents: Uevents;
  readonly clock: Clock;
}

/** An earlier process of this VM has been here. */
export const isMounted = (files: Pick<Files, 'stat'>): boolean => files.stat(QEMU_ROOT) !== null;

export async function mountRoot(ports: RootPorts): Promise<void> {
  const { files } = ports;
  await waitForDisk(ports, QEMU_DEVICE, VOLUME_WAIT_MS);
  files.makeDirectory(QEMU_ROOT, 0o755);
  files.mount(`/dev/${QEMU_DEVICE}`, QEMU_ROOT, 'ext4', { readOnly: true });
  files.mount('devtmpfs', outside('/dev'), 'devtmpfs');
  files.mount('tmpfs', outside(RUN), 'tmpfs', { data: `mode=0755,size=${RUN_SIZE}` });
  files.makeDirectory(outside(SOCKETS));
  files.chmod(outside(SOCKETS), 0o777);
  emptyScreen(files);
}

/** Made here, so that QEMU can write it and cannot put a link or a pipe in its place. */
export function emptyScreen(files: Files): void {
  files.write(outside(insideRoot.screen), new Uint8Array(0));
  files.chmod(outside(insideRoot.screen), OPEN_MODE);
}

export function openDevices(files: Files): void {
  for (const node of DEVICES_TO_START) setMode(files, node, OPEN_MODE);
}

export function closeDevices(files: Files): void {
  for (const node of DEVICES_TO_START) setMode(files, node, CLOSED_MODE);
}

/** The guest's own disks stay open to QEMU. */
export const openDisk = (files: Files, name: string): void => setMode(files, name, OPEN_MODE);

function setMode(files: Files, node: string, mode: number): void {
  const path = outside(`/dev/${node}`);
  if (files.stat(path)) files.chmod(path, mode);
}

/** Linux makes the block device when its back end has said what it is. */
export function waitForDisk(ports: RootPorts, name: string, timeoutMs: number): Promise<true> {
  const find = () => (ports.files.stat(`/sys/block/${name}`) ? true : null);
  return waitForHardware(ports, find, `disk ${name}`, timeoutMs);
}
