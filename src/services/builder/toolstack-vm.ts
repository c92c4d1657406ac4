/** Toolstack's VM: the service that Builder itself needs nothing from, and that asks it for everything. */

import type { BootParameters } from '../../contracts/boot-parameters.ts';
import type { MemoryAccess } from '../../contracts/builder.ts';
import { BUILDER_DOMID, TOOLSTACK_DOMID, XENSTORE_LOGIC_DOMID } from '../../contracts/domids.ts';
import { serviceCatalogue } from '../../contracts/service-catalogue.ts';
import { IMAGES, serviceImage, serviceUuid } from '../../kit/service-vm.ts';
import type { DomId, Files } from '../../xen/ports.ts';
import type { Ledger } from './ledger.ts';
import type { BuilderPorts } from './ports.ts';
import { commonAccess, type VmPlan } from './vms.ts';
import { serviceHome, trustOf, vif } from './xenstore-homes.ts';

/** The host's own configuration: keys and the like, under /etc/ennead. */
const HOST_CONFIG = `${IMAGES}/host-config.cpio`;

/** Boot parameter `toolstack-ip`: `<address>:<gateway>:<netmask>`. The default is the virtual host's network. */
const DEFAULT_ADDRESS = '10.0.2.10:10.0.2.2:255.255.255.0';

/** Xen's own range, then the domid. */
const MAC = `00:16:3e:00:00:${TOOLSTACK_DOMID.toString(16).padStart(2, '0')}`;

/** `network`: the NetBack through which it is reached; null: the host has none. */
export function toolstackPlan(files: Pick<Files, 'stat'>, parameters: BootParameters, network: DomId | null): VmPlan {
  const image = serviceImage('toolstack', {
    kernelOptions: network === null ? [] : [kernelAddress(parameters['toolstack-ip'] ?? DEFAULT_ADDRESS)],
    ramdisks: files.stat(HOST_CONFIG) ? [HOST_CONFIG] : [],
  });
  return {
    domid: TOOLSTACK_DOMID,
    name: 'toolstack',
    role: 'service',
    type: 'toolstack',
    parent: BUILDER_DOMID,
    uuid: serviceUuid(TOOLSTACK_DOMID),
    memoryMib: serviceCatalogue.toolstack.memoryMib,
    vcpus: 1,
    content: { kind: 'pv', image },
    console: null,
    services: [XENSTORE_LOGIC_DOMID, BUILDER_DOMID],
    memoryAccess: accessWith([]),
    nodes: [
      ...serviceHome(TOOLSTACK_DOMID, 'toolstack'),
      ...(network === null ? [] : vif({ frontend: TOOLSTACK_DOMID, backend: network, mac: MAC })),
    ],
  };
}

/** Linux configures the card before the first process runs. @source Linux Documentation/admin-guide/nfs/nfsroot.rst, ip= */
function kernelAddress(parameter: string): string {
  const [address, gateway, netmask, ...more] = parameter.split(':');
  if (!address || !gateway || !netmask || more.length > 0)
    throw new RangeError(`boot parameter toolstack-ip: ${parameter} is not <address>:<gateway>:<netmask>`);
  return `ip=${address}::${gateway}:${netmask}:toolstack:eth0:off`;
}

function accessWith(drivers: readonly DomId[]): MemoryAccess[] {
  return [
    ...commonAccess,
    { by: BUILDER_DOMID, what: 'link-ring', why: 'the ring of its requests' },
    ...drivers.map(
      (by): MemoryAccess => ({ by, what: 'granted-pages', why: 'rings and data pages of its network card and disks' }),
    ),
  ];
}

/** Toolstack may use the driver VMs there are, and give them to its guests. */
export async function refreshToolstackRecord({ store }: BuilderPorts, ledger: Ledger): Promise<void> {
  const toolstack = ledger.get(TOOLSTACK_DOMID);
  if (!toolstack) return;
  const drivers = ledger.entries().flatMap(({ record, driver }) => (driver ? [record.domid] : []));
  const services = [XENSTORE_LOGIC_DOMID, BUILDER_DOMID, ...drivers];
  const record = { ...toolstack.record, services, memoryAccess: accessWith(drivers) };
  ledger.put({ ...toolstack, record });
  await store.make([trustOf(record)]);
}
