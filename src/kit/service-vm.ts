/** How a service VM is described to Xen's domain builder, whoever builds it. */
import { type BootParameters, encodeBootParameters } from '../contracts/boot-parameters.ts';
import { XENSTORE_LOGIC_DOMID } from '../contracts/domids.ts';
import { contextOf, domainTypes } from '../contracts/flask-contexts.ts';
import { type CataloguedService, type CatalogueEntry, serviceCatalogue } from '../contracts/service-catalogue.ts';
import type { DomainSpec, DomId, PvBuild, PvImage } from '../xen/ports.ts';

export const IMAGES = '/images';
const RUNTIME = '/init';

/**
 * The kernel's log and the service's go to Xen's own console through hypercalls. A domU gets no hvc0: nobody serves the consoles of
 * services, and Linux waits for ever on a console ring that is full. Errors and worse are printed, and so is a service's log,
 * which has that level.
 */
const LOG_OPTIONS = ['quiet', 'loglevel=4', 'printk.devkmsg=on'];
/** With FSGSBASE, PV Linux reads a model-specific register at every switch between its tasks, which Xen has to emulate. */
const SPEED_OPTIONS = ['nofsgsbase'];

export interface ServiceVmOptions {
  readonly parameters?: BootParameters;
  /** Words for the kernel beside the manifest's. */
  readonly kernelOptions?: readonly string[];
  /** Appended to the service's own root file system. */
  readonly ramdisks?: readonly string[];
}

export function serviceImage(service: CataloguedService, options: ServiceVmOptions = {}): PvImage {
  const { kernel, options: ownOptions }: CatalogueEntry = serviceCatalogue[service];
  // An initial domain's hvc0 is Xen's console itself; with both it would say everything twice.
  const console = kernel === 'pci' ? 'console=hvc0' : 'earlyprintk=xen,keep';
  const words = [console, ...LOG_OPTIONS, ...SPEED_OPTIONS, ...ownOptions, ...(options.kernelOptions ?? [])];
  return {
    kernelPath: `${IMAGES}/${kernel}.elf`,
    // What all service VMs have, which ends with the program that this VM runs itself; then what is the new one's own.
    ramdiskPaths: [`${IMAGES}/base.cpio`, RUNTIME, `${IMAGES}/${service}.cpio`, ...(options.ramdisks ?? [])],
    cmdline: [...words, encodeBootParameters(options.parameters ?? {})].join(' ').trim(),
  };
}

/** The same at every boot: a service is known by its domid. RFC 9562, version 8: `656e6e65-6164-8000-8000-00000000<domid>`. */
export function serviceUuid(domid: DomId): Uint8Array {
  const uuid = new Uint8Array(16);
  uuid.set(new TextEncoder().encode('ennead'));
  uuid[6] = 0x80;
  uuid[8] = 0x80;
  new DataView(uuid.buffer).setUint16(14, domid);
  return uuid;
}

export const serviceDomain = (service: CataloguedService, domid: DomId, iommu = false): DomainSpec => ({
  kind: 'pv',
  domid,
  context: contextOf(domainTypes[service]),
  uuid: serviceUuid(domid),
  vcpus: 1,
  memoryMib: serviceCatalogue[service].memoryMib,
  iommu,
});

/**
 * XenStore-Logic, the same whoever builds it: Bootstrapper, or Builder when it has ended. `introduce` names the clients that nobody can introduce. A page that
 * is granted to its owner is granted to nobody, and at port 0 Linux sees no XenStore and no console.
 */
export const logicBuild = (introduce: string): PvBuild => ({
  ...serviceImage('xenstore-logic', { parameters: { introduce } }),
  domid: XENSTORE_LOGIC_DOMID,
  memoryMib: serviceCatalogue['xenstore-logic'].memoryMib,
  store: { domid: XENSTORE_LOGIC_DOMID, port: 0 },
  console: { domid: XENSTORE_LOGIC_DOMID, port: 0 },
  hardwareDomain: false,
});
