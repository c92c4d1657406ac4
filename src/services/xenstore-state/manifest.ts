import { defineManifest } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'xenstore-state',
  number: 5,
  job: 'keeps the contents of XenStore behind a narrow interface',
  kernel: 'core',
  memoryMib: 24,
  lifetime: 'always',
  reset: { depth: 'process', when: 'on a fault only, never on a timer' },
  cmdline: [
    { option: 'xen_privcmd.unrestricted=1', why: 'maps its own link page, which Linux counts as foreign memory' },
  ],
  files: [],
  hypercalls: [],
  grants: [],
  channels: [
    { peer: 'xenstore-logic', why: 'its only client' },
    { peer: 'self', why: 'Linux without a XenStore opens a channel to itself when it starts' },
  ],
  xenstore: [],
  devices: [],
});
