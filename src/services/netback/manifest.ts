import { defineManifest } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'netback',
  number: 8,
  job: 'drives one network controller and bridges guests to it',
  kernel: 'driver',
  memoryMib: 48,
  lifetime: 'long',
  reset: { depth: 'process', when: 'on a fault' },
  cmdline: [{ option: 'swiotlb=2048', why: 'a bounce buffer of 4 MiB instead of 64' }],
  files: [],
  hypercalls: [],
  grants: [
    { from: 'guest', use: 'map and copy', why: 'rings and packet pages of the guests whose links it serves' },
    { from: 'qemu', use: 'map and copy', why: 'rings and packet pages of links that a guest sees as emulated cards' },
    { from: 'toolstack', use: 'map and copy', why: "ring and packet pages of Toolstack's own link" },
  ],
  channels: [
    { peer: 'xenstore-logic', why: 'XenStore client' },
    { peer: 'pciback', why: 'asks for configuration space of its controller' },
    { peer: 'guest', why: 'ring notifications' },
    { peer: 'qemu', why: 'ring notifications' },
    { peer: 'toolstack', why: 'ring notifications' },
  ],
  xenstore: [
    { path: '~/backend/vif', access: 'write', why: 'advertises features and state of the links it serves' },
    { path: '~/ennead', access: 'write', why: 'its state, how often it was started, how many ports its bridge has' },
    {
      path: '/local/domain/<front end>/device/vif',
      access: 'read',
      why: 'ring references and event channels of its clients',
    },
  ],
  devices: [{ class: 'network-controller', why: 'drives one controller' }],
});
