import { storePrivileges } from '../../contracts/store-privileges.ts';
import { defineManifest } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'toolstack',
  number: 3,
  job: "manages guests for the operator, as far as Builder's trust list allows",
  kernel: 'core',
  memoryMib: 56,
  lifetime: 'long',
  reset: { depth: 'process', when: 'on a fault' },
  cmdline: [{ option: 'xen_privcmd.unrestricted=1', why: 'lists domains and reads the host’s memory and version' }],
  files: [
    {
      package: 'dropbear-bin',
      path: '/usr/sbin/dropbear',
      why: "the SSH server through which the operator's command arrives",
    },
  ],
  programs: [
    { name: 'session', why: "what an operator's SSH session runs instead of a shell: carries bytes to Toolstack" },
  ],
  hypercalls: [
    {
      on: ['anyone', 'self'],
      may: { domain: 'getdomaininfo' },
      why: 'shows state, memory and processor time of every VM',
    },
    { on: 'xen', may: { xen: 'physinfo' }, why: 'shows memory and processors of the host' },
    { on: 'xen', may: { xen: 'readconsole' }, why: 'shows the messages of Xen and of the service VMs' },
    { on: 'xen', may: { version: 'xen_commandline' }, why: 'shows how Xen was started' },
    { on: 'security', may: { security: 'check_context' }, why: "shows every VM's label" },
  ],
  grants: [
    { from: 'guest', use: 'map', why: 'the console ring (grant 0) of the guests it manages' },
    { from: 'qemu', use: 'map', why: 'the ring over which it says what to emulate' },
  ],
  channels: [
    { peer: 'xenstore-logic', why: 'XenStore client' },
    { peer: 'builder', why: 'asks for guests' },
    { peer: 'guest', why: 'console input and output' },
    { peer: 'qemu', why: 'says what to emulate; screen, serial line and media for the operator' },
    { peer: 'netback', why: 'its network interface' },
    { peer: 'blkback', why: 'its disk, through which volumes are imported and exported' },
  ],
  xenstore: [
    { path: '/local/domain/<guest>', access: 'write', why: 'describes the devices of the guests it asked for' },
    { path: '/local/domain/<back end>/backend', access: 'write', why: 'the back end side of those devices' },
    { path: '/local/domain/<BlkBack>/ennead/volume', access: 'write', why: 'asks for volumes' },
    { path: '~', access: 'write', why: 'its state and its link to Builder' },
    { path: '/', access: 'read', why: 'shows the operator the store' },
  ],
  storePrivilege: storePrivileges.toolstack,
  devices: [],
});
