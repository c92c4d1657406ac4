/**
 * The XenStore nodes that exist because Builder made them: every VM's home, the front and back ends between service VMs, the published
 * trust list. Each node belongs to the one who writes it; whoever else may read or write it is named.
 *
 * A node that a VM creates takes the permissions of the folder it is in, with that VM as its owner. So a folder in which two VMs
 * work together is owned by the one that creates nodes there and open to the other.
 * @source Xen docs/misc/xenstore.txt, docs/misc/xenstore-paths.pandoc
 */
import { type TrustRecord, trustNode } from '../../contracts/builder.ts';
import { BUILDER_DOMID, PCIBACK_DOMID, TOOLSTACK_DOMID } from '../../contracts/domids.ts';
import { pciBackendPath, pciFrontendPath } from '../../contracts/pci-handover.ts';
import type { DomId } from '../../xen/ports.ts';
import type { NodePermission, XenStoreWriter } from '../../xen/xenstore-port.ts';

/** @source xen/include/public/io/xenbus.h */
const XENBUS_INITIALISING = '1';

export const homeOf = (domid: DomId): string => `/local/domain/${domid}`;

const owned = (owner: DomId, ...others: readonly NodePermission[]): NodePermission[] => [
  { domid: owner, access: 'none' },
  ...others,
];
const reads = (domid: DomId): NodePermission => ({ domid, access: 'read' });
const both = (domid: DomId): NodePermission => ({ domid, access: 'both' });

async function folder(store: XenStoreWriter, path: string, permissions: readonly NodePermission[]): Promise<void> {
  await store.mkdir(path);
  await store.setPermissions(path, permissions);
}

/** Nodes that take the folder's permissions. */
async function values(store: XenStoreWriter, path: string, nodes: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(nodes)) await store.write(`${path}/${name}`, value);
}

/** What is there before the first home. */
export async function writeFoundations(store: XenStoreWriter): Promise<void> {
  await folder(store, '/local', owned(BUILDER_DOMID));
  await folder(store, '/local/domain', owned(BUILDER_DOMID));
  await folder(store, '/vm', owned(TOOLSTACK_DOMID));
  await folder(store, '/ennead', owned(BUILDER_DOMID));
  await folder(store, '/ennead/trust', owned(BUILDER_DOMID, reads(TOOLSTACK_DOMID)));
}

export const publishTrust = (store: XenStoreWriter, record: TrustRecord): Promise<void> =>
  store.write(trustNode(record.domid), JSON.stringify(record));

/** Name and domid are Builder's word; the folders are for the states of Linux's drivers and of the service. */
export async function writeServiceHome(store: XenStoreWriter, domid: DomId, name: string): Promise<void> {
  const home = homeOf(domid);
  await folder(store, home, owned(BUILDER_DOMID, reads(domid)));
  await values(store, home, { name, domid: String(domid) });
  await folder(store, `${home}/control`, owned(domid));
  await values(store, `${home}/control`, { shutdown: '' });
  await folder(store, `${home}/device`, owned(domid));
  await folder(store, `${home}/error`, owned(domid));
  await folder(store, `${home}/ennead`, owned(domid, reads(TOOLSTACK_DOMID)));
}

export async function writePciBackHome(store: XenStoreWriter): Promise<void> {
  await writeServiceHome(store, PCIBACK_DOMID, 'pciback');
  await folder(store, `${homeOf(PCIBACK_DOMID)}/backend`, owned(PCIBACK_DOMID));
}

/** The driver's own home, its end of the PCI front end, and the folders in which Toolstack makes back ends and requests. */
export async function writeDriverHome(store: XenStoreWriter, domid: DomId, name: string): Promise<void> {
  const home = homeOf(domid);
  await writeServiceHome(store, domid, name);
  await folder(store, `${home}/backend`, owned(TOOLSTACK_DOMID, both(domid)));
  await folder(store, `${home}/ennead/volume`, owned(domid, both(TOOLSTACK_DOMID)));
  await folder(store, `${home}/ennead/volume/request`, owned(TOOLSTACK_DOMID, both(domid)));
  const frontend = pciFrontendPath(domid);
  await folder(store, frontend, owned(domid, reads(PCIBACK_DOMID)));
  await values(store, frontend, {
    backend: pciBackendPath(domid),
    'backend-id': String(PCIBACK_DOMID),
    state: XENBUS_INITIALISING,
  });
}

/** A guest's home is its parent's to furnish. */
export const writeGuestHome = (store: XenStoreWriter, domid: DomId, parent: DomId): Promise<void> =>
  folder(store, homeOf(domid), owned(parent, reads(domid)));

export interface Vif {
  readonly frontend: DomId;
  readonly backend: DomId;
  readonly mac: string;
}

/** Both ends of a service's network card number 0. They are complete before either VM looks. */
export async function writeVif(store: XenStoreWriter, { frontend, backend, mac }: Vif): Promise<void> {
  const front = `${homeOf(frontend)}/device/vif/0`;
  const back = `${homeOf(backend)}/backend/vif/${frontend}/0`;
  await folder(store, front, owned(frontend, reads(backend)));
  await values(store, front, {
    backend: back,
    'backend-id': String(backend),
    handle: '0',
    mac,
    trusted: '1',
    state: XENBUS_INITIALISING,
  });
  await folder(store, back, owned(backend, reads(frontend)));
  await values(store, back, {
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
  });
}

/** Linux's own drivers empty the node when they have seen it; the service acts on it. */
export const askToShutDown = (store: XenStoreWriter, domid: DomId): Promise<void> =>
  store.write(`${homeOf(domid)}/control/shutdown`, 'poweroff');
