import { defineManifest } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'qemu',
  number: 9,
  job: 'emulates a PC for one guest, whose system need not know of Xen',
  kernel: 'driver',
  memoryMib: 96,
  lifetime: 'as its guest',
  reset: { depth: 'destroyed', when: 'dies with its guest' },
  cmdline: [
    {
      option: 'xen_privcmd.unrestricted=1',
      why: "QEMU maps the pages of requests and adds the graphics card's memory by plain hypercalls; then it restricts itself, and Xen does always",
    },
    { option: 'swiotlb=noforce', why: 'has no device that would need a bounce buffer, which takes 64 MiB' },
  ],
  files: [],
  hypercalls: [
    { on: 'own-guest', may: { hvm: 'dm' }, why: 'takes its requests for I/O, raises its interrupts' },
    { on: 'own-guest', may: { domain2: 'resource_map' }, why: 'maps the pages in which Xen writes requests for I/O' },
    { on: 'own-guest', may: { mmu: 'map_read map_write' }, why: 'reads and writes the memory that devices reach' },
    { on: 'own-guest', may: { mmu: 'adjust' }, why: 'adds the memory of the emulated graphics card, and ROMs' },
  ],
  grants: [],
  channels: [
    { peer: 'xenstore-logic', why: 'XenStore client' },
    { peer: 'own-guest', why: 'news of requests for I/O' },
    { peer: 'toolstack', why: 'is told what to emulate; screen, serial line and media of its guest' },
    { peer: 'blkback', why: "the disks behind its guest's" },
    { peer: 'netback', why: "the network links behind its guest's" },
  ],
  xenstore: [
    { path: '~', access: 'write', why: 'its state, its link to Toolstack, the states of its disks and cards' },
  ],
  devices: [],
});
