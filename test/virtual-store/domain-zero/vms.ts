/** How domain 0 makes VMs that are no services. */
import { contextOf, domainTypes, type LabelledDomain } from '../../../src/contracts/flask-contexts.ts';
import { IMAGES, serviceUuid } from '../../../src/kit/service-vm.ts';
import type { DomId, EventPort, PvImage } from '../../../src/xen/ports.ts';
import { domainControl } from '../../../src/xen/real/adapter.ts';

const MEMORY_MIB = 24;

export function createVm(domid: DomId, label: LabelledDomain): void {
  domainControl.create({
    kind: 'pv',
    domid,
    context: contextOf(domainTypes[label]),
    uuid: serviceUuid(domid),
    vcpus: 1,
    memoryMib: MEMORY_MIB,
    iommu: false,
  });
}

export interface Store {
  readonly domid: DomId;
  readonly port: EventPort;
  readonly pageParameter?: string;
}

/** Loads the VM, which stays paused, and returns the frame of its store page. */
export function loadVm(domid: DomId, image: PvImage, store: Store): number {
  const console = { domid, port: 0 };
  return domainControl.build({ domid, memoryMib: MEMORY_MIB, console, hardwareDomain: false, ...image, store })
    .storeGfn;
}

const WORDS = ['earlyprintk=xen,keep', 'quiet', 'loglevel=4', 'printk.devkmsg=on'];
/** Linux lets a VM without a XenStore of its own map memory and make hypercalls only with this word. */
export const UNRESTRICTED = 'xen_privcmd.unrestricted=1';

/** `program`: one of the archive's `vmPrograms`. */
export const vmImage = (program: string, ...words: string[]): PvImage => ({
  kernelPath: `${IMAGES}/core.elf`,
  ramdiskPaths: [`${IMAGES}/base.cpio`, '/init', `${IMAGES}/${program}.cpio`],
  cmdline: [...WORDS, ...words].join(' '),
});
