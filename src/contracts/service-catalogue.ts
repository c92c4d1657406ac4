/**
 * What the VMs that build others must know of the services: an extract of the manifests, so that no service carries another's.
 * A test compares it with them.
 */
export interface CatalogueEntry {
  readonly job: string;
  readonly kernel: 'core' | 'pci' | 'driver';
  readonly memoryMib: number;
  /** The manifest's kernel options. */
  readonly options: readonly string[];
}

const UNRESTRICTED_PRIVCMD = 'xen_privcmd.unrestricted=1';

export const serviceCatalogue = {
  bootstrapper: {
    job: 'first VM (domain 0): builds XenStore, Builder and PCIBack, then hands over',
    kernel: 'pci',
    memoryMib: 128,
    options: ['pci=off', 'acpi=off', 'swiotlb=noforce'],
  },
  'xenstore-state': {
    job: 'keeps the contents of XenStore behind a narrow interface',
    kernel: 'core',
    memoryMib: 24,
    options: [UNRESTRICTED_PRIVCMD],
  },
  'xenstore-logic': {
    job: "XenStore's connections, transactions, watches and permissions",
    kernel: 'core',
    memoryMib: 24,
    options: [UNRESTRICTED_PRIVCMD],
  },
  builder: {
    job: 'the only VM that creates VMs after boot; keeps the trust list',
    kernel: 'core',
    memoryMib: 96,
    options: [UNRESTRICTED_PRIVCMD],
  },
  pciback: {
    job: "owns the PCI bus (Xen's hardware domain): finds controllers and hands each to its driver VM",
    kernel: 'pci',
    memoryMib: 64,
    options: ['swiotlb=noforce'],
  },
  blkback: {
    job: 'drives one storage controller and serves volumes as disks',
    kernel: 'driver',
    memoryMib: 56,
    options: ['swiotlb=2048'],
  },
  netback: {
    job: 'drives one network controller and bridges guests to it',
    kernel: 'driver',
    memoryMib: 48,
    options: ['swiotlb=2048'],
  },
  toolstack: {
    job: "manages guests for the operator, as far as Builder's trust list allows",
    kernel: 'core',
    memoryMib: 56,
    options: [UNRESTRICTED_PRIVCMD],
  },
  qemu: {
    job: 'emulates a PC for one guest, whose system need not know of Xen',
    kernel: 'driver',
    memoryMib: 96,
    options: [UNRESTRICTED_PRIVCMD, 'swiotlb=noforce'],
  },
} as const satisfies Record<string, CatalogueEntry>;

export type CataloguedService = keyof typeof serviceCatalogue;
