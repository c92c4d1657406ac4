/**
 * Gives a device to its driver VM, in Xen and in XenStore, and takes it back. What a VM is given is exactly what the device answers to:
 * its registers, its ports, its interrupt, and, through the IOMMU, the VM's own memory for its DMA.
 *
 * Configuration space stays here: xen-pciback lets the VM's pcifront read it and write the harmless parts.
 */

import { PCIBACK_DOMID } from '../../contracts/domids.ts';
import { pciBackendPath, pciFrontendPath } from '../../contracts/pci-handover.ts';
import type { Devices, DomId, Files } from '../../xen/ports.ts';
import type { XenStore } from '../../xen/xenstore-port.ts';
import { resourcesOf, sbdfOf } from './sysfs.ts';

export interface HandOverPorts {
  readonly devices: Devices;
  readonly files: Pick<Files, 'read'>;
  readonly store: XenStore;
}

export interface HandOver {
  readonly bdf: string;
  readonly domid: DomId;
  readonly isolated: boolean;
}

/** @source xen/include/public/io/xenbus.h */
const XENBUS_INITIALISING = '1';

export async function handDevice(ports: HandOverPorts, given: HandOver): Promise<void> {
  // The back end is written last: where it is, the rest is done.
  if ((await ports.store.read(`${pciBackendPath(given.domid)}/dev-0`)) === given.bdf) return;
  allowResources(ports, given);
  // Before pcifront can reach the device: its first DMA must already be confined.
  if (given.isolated) ports.devices.assign(given.domid, sbdfOf(given.bdf));
  await writeBackend(ports.store, given);
}

/** Permissions go with the domain; a domain that is dead already has lost its devices, too. */
export async function returnDevice(ports: HandOverPorts, { bdf, domid, isolated }: HandOver): Promise<void> {
  await ports.store.remove(pciBackendPath(domid));
  if (!isolated) return;
  try {
    ports.devices.deassign(domid, sbdfOf(bdf));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function allowResources({ devices, files }: HandOverPorts, { bdf, domid }: HandOver): void {
  const { memory, ports, gsi } = resourcesOf(files, bdf);
  for (const { firstMfn, count } of memory) devices.allowMemory(domid, firstMfn, count, true);
  for (const { first, count } of ports) devices.allowPorts(domid, first, count, true);
  if (gsi !== null) devices.allowGsi(domid, gsi);
}

/** In one request: xen-pciback looks as soon as it sees the node. */
function writeBackend(store: XenStore, { bdf, domid }: HandOver): Promise<void> {
  const path = pciBackendPath(domid);
  const nodes = {
    frontend: pciFrontendPath(domid),
    'frontend-id': String(domid),
    online: '1',
    'dev-0': bdf,
    'state-0': XENBUS_INITIALISING,
    num_devs: '1',
    state: XENBUS_INITIALISING,
  };
  const permissions = [
    { domid: PCIBACK_DOMID, access: 'none' },
    { domid, access: 'read' },
  ] as const;
  const below = Object.entries(nodes).map(([name, value]) => ({ path: `${path}/${name}`, value, permissions }));
  return store.make([{ path, value: '', permissions }, ...below]);
}
