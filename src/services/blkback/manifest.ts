import { defineManifest } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'blkback',
  number: 7,
  job: 'drives one storage controller and serves volumes as disks',
  kernel: 'driver',
  memoryMib: 56,
  lifetime: 'long',
  reset: { depth: 'process', when: 'on a fault' },
  cmdline: [{ option: 'swiotlb=2048', why: 'a bounce buffer of 4 MiB instead of 64' }],
  files: [],
  hypercalls: [],
  grants: [
    { from: 'guest', use: 'map', why: 'rings and data pages of the guests whose disks it serves' },
    { from: 'qemu', use: 'map', why: 'rings and data pages of disks that a guest sees as emulated ones' },
    { from: 'toolstack', use: 'map', why: 'ring and data pages of the volume that Toolstack imports or exports' },
  ],
  channels: [
    { peer: 'xenstore-logic', why: 'XenStore client' },
    { peer: 'pciback', why: 'asks for configuration space of its controller' },
    { peer: 'guest', why: 'disk requests' },
    { peer: 'qemu', why: 'disk requests' },
    { peer: 'toolstack', why: 'disk requests while a volume is imported or exported' },
  ],
  xenstore: [
    { path: '~/backend/vbd', access: 'write', why: 'advertises features and state of the disks it serves' },
    {
      path: '~/ennead',
      access: 'write',
      why: 'its state, how often it was started, how many volumes are attached, answers to requests for volumes',
    },
    {
      path: '/local/domain/<front end>/device/vbd',
      access: 'read',
      why: 'ring reference and event channel of its clients',
    },
  ],
  devices: [{ class: 'storage-controller', why: 'drives one controller' }],
});
