/**
 * The XenStore nodes that exist because Builder made them, as data: every VM's home, the front and back ends between service VMs, the published
 * trust list. Each node belongs to the one who writes it; whoever else may read or write it is named.
 *
 * A node that a VM creates takes the permissions of the folder it is in, with that VM as its owner. So a folder in which two VMs
 * work together is owned by the one that creates nodes there and open to the other.
 * @source Xen docs/misc/xenstore.txt, docs/misc/xenstore-paths.pandoc
 */
import { type TrustRecord, trustNode } from '../../contracts/builder.ts';
import { BUILDER_DOMID, PCIBACK_DOMID, TOOLSTACK_DOMID } from '../../contracts/domids.ts';
import { pciBackendPath, pciFrontendPath } from '../../contracts/pci-handover.ts';
import { homeOf } from '../../contracts/xenstore-paths.ts';
import type { DomId } from '../../xen/ports.ts';
import type { NewNode, NodePermission, XenStoreWriter } from '../../xen/xenstore-port.ts';

/** @source xen/include/public/io/xenbus.h */
const XENBUS_INITIALISING = '1';

type Permissions = readonly NodePermission[];

const owned = (owner: DomId, ...others: Permissions): Permissions => [{ domid: owner, access: 'none' }, ...others];
const reads = (domid: DomId): NodePermission => ({ domid, access: 'read' });
const both = (domid: DomId): NodePermission => ({ domid, access: 'both' });

/** A folder, and nodes in it with the same permissions. */
const folder = (path: string, permissions: Permissions, nodes: Readonly<Record<string, string>> = {}): NewNode[] => [
  { path, value: '', permissions },
  ...Object.entries(nodes).map(([name, value]) => ({ path: `${path}/${name}`, value, permissions })),
];

const trustPermissions = owned(BUILDER_DOMID, reads(TOOLSTACK_DOMID));

/** What is there before the first home. */
export const foundations = (): NewNode[] => [
  ...folder('/local', owned(BUILDER_DOMID)),
  ...folder('/local/domain', owned(BUILDER_DOMID)),
  ...folder('/vm', owned(TOOLSTACK_DOMID)),
  ...folder('/ennead', owned(BUILDER_DOMID)),
  ...folder('/ennead/trust', trustPermissions),
];

export const trustOf = (record: TrustRecord): NewNode => ({
  path: trustNode(record.domid),
  value: JSON.stringify(record),
  permissions: trustPermissions,
});

/** Name and domid are Builder's word; the folders are for the states of Linux's drivers and of the service. `device`: who makes front ends. */
export function serviceHome(domid: DomId, name: string, device: Permissions = owned(domid)): NewNode[] {
  const home = homeOf(domid);
  return [
    ...folder(home, owned(BUILDER_DOMID, reads(domid)), { name, domid: String(domid) }),
    ...folder(`${home}/control`, owned(domid), { shutdown: '' }),
    ...folder(`${home}/device`, device),
    ...folder(`${home}/error`, owned(domid)),
    ...folder(`${home}/ennead`, owned(domid, reads(TOOLSTACK_DOMID))),
  ];
}

export const pcibackHome = (): NewNode[] => [
  ...serviceHome(PCIBACK_DOMID, 'pciback'),
  ...folder(`${homeOf(PCIBACK_DOMID)}/backend`, owned(PCIBACK_DOMID)),
];

/** The driver's own home, its end of the PCI front end, and the folders in which Toolstack makes back ends and requests. */
export function driverHome(domid: DomId, name: string): NewNode[] {
  const home = homeOf(domid);
  return [
    ...serviceHome(domid, name),
    ...folder(`${home}/backend`, owned(TOOLSTACK_DOMID, both(domid))),
    ...folder(`${home}/ennead/volume`, owned(domid, both(TOOLSTACK_DOMID))),
    ...folder(`${home}/ennead/volume/request`, owned(TOOLSTACK_DOMID, both(domid))),
    ...folder(pciFrontendPath(domid), owned(domid, reads(PCIBACK_DOMID)), {
      backend: pciBackendPath(domid),
      'backend-id': String(PCIBACK_DOMID),
      state: XENBUS_INITIALISING,
    }),
  ];
}

/**
 * Its front ends are Toolstack's to make, as a guest's are. Linux in it reads `target` before it lets anybody reach into another domain, and lets
 * nobody into any but that.
 */
export const deviceModelHome = (domid: DomId, name: string, guest: DomId): NewNode[] => [
  ...serviceHome(domid, name, owned(TOOLSTACK_DOMID, both(domid))),
  { path: `${homeOf(domid)}/target`, value: String(guest), permissions: owned(BUILDER_DOMID, reads(domid)) },
];

/** A guest's home is its parent's to furnish. */
export const guestHome = (domid: DomId, parent: DomId): NewNode[] => folder(homeOf(domid), owned(parent, reads(domid)));

export interface Vif {
  readonly frontend: DomId;
  readonly backend: DomId;
  readonly mac: string;
}

/** Both ends of a service's network card number 0. They are complete before either VM looks. */
export function vif({ frontend, backend, mac }: Vif): NewNode[] {
  const front = `${homeOf(frontend)}/device/vif/0`;
  const back = `${homeOf(backend)}/backend/vif/${frontend}/0`;
  return [
    ...folder(front, owned(frontend, reads(backend)), {
      backend: back,
      'backend-id': String(backend),
      handle: '0',
      mac,
      trusted: '1',
      state: XENBUS_INITIALISING,
    }),
    ...folder(back, owned(backend, reads(frontend)), {
      frontend: front,
      'frontend-id': String(frontend),
      online: '1',
      handle: '0',
      mac,
      type: 'vif',
      // Linux's back end wants the node, and waits until NetBack has put the interface on its bridge.
      script: '',
      'hotplug-status': '',
      state: XENBUS_INITIALISING,
    }),
  ];
}

/** Linux's own drivers empty the node when they have seen it; the service acts on it. */
export const askToShutDown = (store: XenStoreWriter, domid: DomId): Promise<void> =>
  store.write(`${homeOf(domid)}/control/shutdown`, 'poweroff');
