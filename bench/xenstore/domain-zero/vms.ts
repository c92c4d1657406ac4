/** How the benchmark's own VMs are made: clients, and the conductor where it is one. */
import { encodeBootParameters } from '../../../src/contracts/boot-parameters.ts';
import { contextOf, domainTypes, type LabelledDomain } from '../../../src/contracts/flask-contexts.ts';
import { IMAGES, serviceUuid } from '../../../src/kit/service-vm.ts';
import type { DomId, EventPort, PvImage } from '../../../src/xen/ports.ts';
import { domainControl } from '../../../src/xen/real/adapter.ts';

const MEMORY_MIB = 24;

export function createVm(domid: DomId, label: LabelledDomain): void {
  domainControl.create({
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
/** Linux lets the conductor ask Xen for processor times only with this word. */
const CONDUCTOR_WORDS = [...WORDS, 'xen_privcmd.unrestricted=1'];

export const clientImage: PvImage = imageOf('client', WORDS);

export const conductorImage = (parameters: Readonly<Record<string, string>>): PvImage =>
  imageOf('conductor', [...CONDUCTOR_WORDS, encodeBootParameters(parameters)]);

function imageOf(program: string, words: readonly string[]): PvImage {
  return {
    kernelPath: `${IMAGES}/core.elf`,
    ramdiskPaths: [`${IMAGES}/base.cpio`, '/init', `${IMAGES}/${program}.cpio`],
    cmdline: words.join(' '),
  };
}
