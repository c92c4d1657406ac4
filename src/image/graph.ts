/** Which steps there are, and what the image set is made of. Reads manifests, and nothing else of the services. */
import type { Manifest, ServiceName } from '../kit/manifest.ts';
import { manifests } from '../policy/manifests.ts';
import type { Step } from './step.ts';
import { exampleDisk, hostDisk } from './steps/disk.ts';
import { exampleGuest } from './steps/guest.ts';
import { archiveName, baseImage, type CarriedImage, type InitramfsOptions, initramfsStep } from './steps/initramfs.ts';
import { type KernelName, kernels } from './steps/kernel.ts';
import { policy } from './steps/policy.ts';
import { HVMLOADER, hvmloader, qemuVolume } from './steps/qemu.ts';
import { runtime } from './steps/runtime.ts';
import { linuxSource, qemuPackages, quickjsSource, xenSource, xenTools } from './steps/sources.ts';
import { xen } from './steps/xen.ts';
import { xenstored } from './steps/xenstored.ts';

/** What guests start with. */
const GUEST_IMAGES: Readonly<Record<string, CarriedImage>> = {
  'pvgrub.elf': { package: 'grub-xen-host', path: '/usr/lib/grub-xen/grub-x86_64-xen.bin' },
  'pvgrub-pvh.bin': { package: 'grub-xen-host', path: '/usr/lib/grub-xen/grub-i386-xen_pvh.bin' },
  hvmloader: { step: hvmloader, file: HVMLOADER },
  'bios-256k.bin': { package: 'seabios', path: '/usr/share/seabios/bios-256k.bin' },
};

/** Whom each builder builds: their kernels and archives travel in its own. */
const BUILT_BY_BUILDER: readonly ServiceName[] = ['blkback', 'netback', 'toolstack', 'qemu'];
/** When they have ended. */
const BUILT_AGAIN_BY_BUILDER: readonly ServiceName[] = ['xenstore-logic'];
const BUILT_BY_BOOTSTRAPPER: readonly ServiceName[] = ['xenstore-state', 'xenstore-logic', 'builder', 'pciback'];

function kernelImage(kernel: KernelName): [string, CarriedImage] {
  return [`${kernel}.elf`, { step: kernels[kernel], file: `${kernel}.elf` }];
}

const SHARED_KERNEL = kernelImage('core');

function manifestOf(service: ServiceName): Manifest {
  const manifest = manifests.find(({ name }) => name === service);
  if (!manifest) throw new Error(`no manifest for ${service}`);
  return manifest;
}

/** The kernels and archives that a VM needs to build these services. */
function imagesFor(
  services: readonly ServiceName[],
  initramfs: ReadonlyMap<ServiceName, Step>,
): Record<string, CarriedImage> {
  const kernelNames = new Set(services.map((service) => manifestOf(service).kernel));
  const archives = services.map((service): [string, CarriedImage] => {
    return [archiveName(service), { step: initramfs.get(service)!, file: archiveName(service) }];
  });
  return Object.fromEntries([...[...kernelNames].sort().map(kernelImage), baseImage, ...archives]);
}

/** `instead`: of a service's own archive, for tests. */
export function initramfsSteps(instead: ReadonlyMap<ServiceName, Step> = new Map()): ReadonlyMap<ServiceName, Step> {
  const steps = new Map<ServiceName, Step>();
  const add = (
    service: ServiceName,
    carried: Record<string, CarriedImage> = {},
    options: InitramfsOptions = {},
  ): void => {
    steps.set(service, instead.get(service) ?? initramfsStep(manifestOf(service), carried, options));
  };
  for (const service of BUILT_BY_BUILDER) add(service);
  for (const service of BUILT_BY_BOOTSTRAPPER.filter((name) => name !== 'builder')) add(service);
  // Bootstrapper has a kernel of its own for the VMs that it builds, and Builder gets that one.
  const { [SHARED_KERNEL[0]]: _, ...images } = imagesFor([...BUILT_BY_BUILDER, ...BUILT_AGAIN_BY_BUILDER], steps);
  add('builder', { ...images, ...GUEST_IMAGES }, { behind: SHARED_KERNEL });
  add('bootstrapper', imagesFor(BUILT_BY_BOOTSTRAPPER, steps), { whole: true });
  return steps;
}

export const initramfs = initramfsSteps();

/**
 * Everything, in the order in which steps may ask for their turn: what takes longest first, so that the rest overlaps
 * with it.
 */
export const steps: readonly Step[] = [
  linuxSource,
  xenSource,
  quickjsSource,
  qemuPackages,
  xenTools,
  exampleGuest,
  xen,
  kernels.core,
  kernels.driver,
  kernels.pci,
  runtime,
  policy,
  qemuVolume,
  hvmloader,
  hostDisk,
  exampleDisk,
  ...initramfs.values(),
  xenstored,
];
