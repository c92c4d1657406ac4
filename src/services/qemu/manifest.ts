import { defineManifest } from '../../kit/manifest.ts';

/** Planned: the label exists so that the policy's type list is complete; it has no rights and nobody may create it. */
export const manifest = defineManifest({
  name: 'qemu',
  number: 9,
  job: 'emulates a PC for one guest whose system has no Xen drivers',
  status: 'planned',
  kernel: 'core',
  memoryMib: 96,
  lifetime: 'as its guest',
  reset: { depth: 'destroyed', when: 'dies with its guest' },
  cmdline: [],
  files: [],
  hypercalls: [],
  grants: [],
  channels: [],
  xenstore: [],
  devices: [],
});
