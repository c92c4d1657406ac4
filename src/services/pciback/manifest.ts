import { storePrivileges } from '../../contracts/store-privileges.ts';
import { defineManifest } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'pciback',
  number: 1,
  job: "owns the PCI bus (Xen's hardware domain): finds controllers and hands each to its driver VM",
  kernel: 'pci',
  memoryMib: 64,
  lifetime: 'device set-up',
  reset: { depth: 'none', when: 'cannot be rebuilt: paused and stripped of its rights when devices are set up' },
  cmdline: [
    { option: 'swiotlb=noforce', why: 'does no DMA itself: saves the 64 MiB bounce buffer of an initial domain' },
  ],
  files: [],
  hypercalls: [
    {
      on: 'device',
      may: {
        resource:
          'plug unplug setup stat_device add_device remove_device add_irq remove_irq add_iomem remove_iomem add_ioport remove_ioport',
      },
      why: 'finds devices and hands over their configuration, memory, ports and interrupts',
    },
    { on: 'self', may: { resource: 'add remove' }, why: 'routes interrupts of bridges and devices nobody else drives' },
    {
      on: ['blkback', 'netback'],
      may: { resource: 'add remove', domain: 'getdomaininfo' },
      why: 'gives a driver VM its controller, and takes it back',
    },
    { on: 'xen', may: { mmu: 'memorymap' }, why: 'the kernel of the hardware domain reads the machine memory map' },
    { on: 'xen', may: { resource: 'setup' }, why: 'reports the memory-mapped PCI configuration space' },
    { on: 'xen', may: { xen: 'readapic writeapic' }, why: 'sets up I/O APIC routing found in ACPI' },
    { on: 'xen', may: { xen: 'sleep' }, why: 'powers the machine off through ACPI' },
  ],
  grants: [
    { from: 'blkback', use: 'map', why: "the page through which BlkBack's pcifront asks for configuration space" },
    { from: 'netback', use: 'map', why: "the page through which NetBack's pcifront asks for configuration space" },
  ],
  channels: [
    { peer: 'xenstore-logic', why: 'XenStore client' },
    { peer: 'builder', why: 'reports controllers and is told whom to hand them to' },
    { peer: 'blkback', why: 'requests of pcifront' },
    { peer: 'netback', why: 'requests of pcifront' },
  ],
  xenstore: [
    { path: '~', access: 'write', why: 'its state, its link to Builder, backend/pci for each driver VM' },
    { path: '/local/domain/<driver VM>/device/pci', access: 'read', why: 'follows the state of pcifront' },
  ],
  storePrivilege: storePrivileges.pciback,
  devices: [{ class: 'pci-bus', why: 'enumerates the bus and resets devices between owners' }],
});
