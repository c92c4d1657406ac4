/**
 * The boot's one program: four domains are created, their channels laid, then each is loaded and started. So the first
 * VMs boot while the next are loaded.
 *
 * Builder is loaded early but started last. That it runs is the sign that everything else is done: it destroys this domain when it starts, and
 * needs no word from here.
 */
import type { BootParameters } from '../../contracts/boot-parameters.ts';
import { BUILDER_DOMID, PCIBACK_DOMID, XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../contracts/domids.ts';
import { serviceCatalogue } from '../../contracts/service-catalogue.ts';
import { IMAGES, logicBuild, serviceDomain, serviceImage } from '../../kit/service-vm.ts';
import type { DomainControl, EventPort, Files, HostInfo, Log, PvBuild } from '../../xen/ports.ts';
import { VIRQ_DOM_EXC } from '../../xen/ports.ts';

export interface BootstrapPorts {
  readonly domains: DomainControl;
  readonly host: Pick<HostInfo, 'physical'>;
  readonly files: Pick<Files, 'stat'>;
  readonly log: Log;
}

type Booted = 'pciback' | 'xenstore-state' | 'xenstore-logic' | 'builder';

const domidOf: Readonly<Record<Booted, number>> = {
  pciback: PCIBACK_DOMID,
  'xenstore-state': XENSTORE_STATE_DOMID,
  'xenstore-logic': XENSTORE_LOGIC_DOMID,
  builder: BUILDER_DOMID,
};

/**
 * PCIBack takes longest to boot, so it is loaded first. Logic is loaded last: the store pages of its first two clients are
 * granted to it when they are loaded, and so it finds them in place.
 */
const order: readonly Booted[] = ['pciback', 'xenstore-state', 'builder', 'xenstore-logic'];

/** Builder's archive ends with the place for the kernel that both builders load. */
const SHARED_KERNEL = `${IMAGES}/core.elf`;

/** A cpio archive with the host's configuration, which Builder hands on unopened. */
const HOST_ARCHIVE = `${IMAGES}/builder-host.cpio`;

export function bootstrap(ports: BootstrapPorts, own: BootParameters): void {
  // Xen refuses the flag where it has no IOMMU; the hardware domain needs it to give devices to other domains' IOMMU tables.
  const { iommu } = ports.host.physical();
  for (const service of order)
    ports.domains.create(serviceDomain(service, domidOf[service], service === 'pciback' && iommu));
  const storePorts = {
    pciback: ports.domains.allocEventChannel(PCIBACK_DOMID, XENSTORE_LOGIC_DOMID),
    builder: ports.domains.allocEventChannel(BUILDER_DOMID, XENSTORE_LOGIC_DOMID),
  };
  // XenStore must learn of the death of domains. The hardware domain is the receiver until somebody says otherwise.
  ports.domains.setVirqHandler(XENSTORE_LOGIC_DOMID, VIRQ_DOM_EXC);
  for (const service of order) {
    ports.domains.build(buildOf(service, storePorts, own, ports.files));
    if (service !== 'builder') ports.domains.unpause(domidOf[service]);
    ports.log(`${service} loaded`);
  }
  ports.log('hands over to builder');
  ports.domains.unpause(BUILDER_DOMID);
}

interface StorePorts {
  readonly pciback: EventPort;
  readonly builder: EventPort;
}

function buildOf(service: Booted, storePorts: StorePorts, own: BootParameters, files: Pick<Files, 'stat'>): PvBuild {
  // Nobody can introduce the first two clients: who introduces is one of them.
  const introduce = `${PCIBACK_DOMID}:${storePorts.pciback},${BUILDER_DOMID}:${storePorts.builder}`;
  const domid = domidOf[service];
  const common = {
    domid,
    memoryMib: serviceCatalogue[service].memoryMib,
    // Granted to itself is granted to nobody: a service has no console.
    console: { domid, port: 0 },
    hardwareDomain: service === 'pciback',
  };
  switch (service) {
    case 'xenstore-state':
      // Its XenStore page is the link to Logic. Its Linux must not take it for a XenStore: port 0.
      return {
        ...common,
        ...serviceImage(service),
        store: { domid: XENSTORE_LOGIC_DOMID, port: 0, pageParameter: 'ennead.store-page' },
      };
    case 'xenstore-logic':
      return logicBuild(introduce);
    case 'pciback':
      return {
        ...common,
        ...serviceImage(service),
        store: { domid: XENSTORE_LOGIC_DOMID, port: storePorts.pciback },
      };
    case 'builder':
      return {
        ...common,
        // What the host's operator told us (Toolstack's address) is meant for Builder. It builds XenStore-Logic again when that has ended.
        ...serviceImage(service, {
          parameters: { ...own, introduce },
          ramdisks: [SHARED_KERNEL, ...(files.stat(HOST_ARCHIVE) ? [HOST_ARCHIVE] : [])],
        }),
        store: { domid: XENSTORE_LOGIC_DOMID, port: storePorts.builder },
      };
  }
}
