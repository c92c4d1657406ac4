import { defineManifest, pvBuildRights } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'bootstrapper',
  number: 2,
  job: 'first VM (domain 0): builds XenStore, Builder and PCIBack, then hands over',
  kernel: 'pci',
  memoryMib: 128,
  lifetime: 'boot only',
  reset: { depth: 'destroyed', when: 'Builder, which it starts last, destroys it' },
  cmdline: [
    { option: 'pci=off', why: 'a domain 0 that has enumerated PCI cannot be destroyed' },
    { option: 'acpi=off', why: 'ACPI belongs to PCIBack' },
    { option: 'swiotlb=noforce', why: 'does no DMA: saves the 64 MiB bounce buffer of an initial domain' },
  ],
  files: [],
  hypercalls: [
    {
      on: ['xenstore-state', 'xenstore-logic', 'builder', 'pciback'],
      may: pvBuildRights,
      why: 'builds the four VMs that build the rest',
    },
    { on: 'pciback', may: { domain2: 'create_hardware_domain' }, why: 'makes PCIBack the hardware domain' },
    { on: 'xenstore-logic', may: { domain: 'set_virq_handler' }, why: 'sends the news of dead domains to XenStore' },
    { on: 'xen', may: { xen: 'physinfo' }, why: 'learns whether there is an IOMMU to put PCIBack behind' },
    { on: 'security', may: { security: 'check_context' }, why: 'turns the labels of the VMs it builds into SIDs' },
    { on: 'xen', may: { mmu: 'memorymap' }, why: 'the kernel of an initial domain reads the machine memory map' },
  ],
  grants: [],
  channels: [{ peer: 'self', why: 'Linux without a XenStore opens a channel to itself when it starts' }],
  xenstore: [],
  devices: [],
});
