import { defineManifest } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'xenstore-logic',
  number: 4,
  job: "XenStore's connections, transactions, watches and permissions",
  kernel: 'core',
  memoryMib: 24,
  lifetime: 'long',
  reset: { depth: 'vm', when: 'its heap after every response, its process on a fault, its VM when that has ended' },
  cmdline: [{ option: 'xen_privcmd.unrestricted=1', why: 'asks Xen which domains are alive' }],
  files: [],
  hypercalls: [
    {
      on: ['anyone', 'self'],
      may: { domain: 'getdomaininfo' },
      why: 'learns which client has died, to release its nodes and watches',
    },
  ],
  grants: [
    { from: 'anyone', use: 'map', why: 'the ring page (grant 1) of every XenStore client and of XenStore-State' },
  ],
  channels: [
    { peer: 'anyone', why: 'requests and answers of every XenStore client, and of XenStore-State' },
    { peer: 'self', why: 'Linux without a XenStore opens a channel to itself when it starts' },
  ],
  xenstore: [{ path: '/', access: 'write', why: 'serves the store and checks the permissions of everyone else' }],
  devices: [],
});
