import { storePrivileges } from '../../contracts/store-privileges.ts';
import { defineManifest, hvmBuildRights, pvBuildRights, pvLoadRights } from '../../kit/manifest.ts';

export const manifest = defineManifest({
  name: 'builder',
  number: 6,
  job: 'the only VM that creates VMs after boot; keeps the trust list',
  kernel: 'core',
  memoryMib: 96,
  lifetime: 'long',
  reset: { depth: 'process', when: 'on a fault; the trust list is in its recovery box' },
  cmdline: [{ option: 'xen_privcmd.unrestricted=1', why: 'builds VMs: hypercalls and foreign mappings' }],
  files: [],
  programs: [
    {
      name: 'store-relay',
      why: 'carries bytes to XenStore, so that Builder is never held there: it builds XenStore-Logic again',
    },
  ],
  hypercalls: [
    {
      on: ['toolstack', 'blkback', 'netback', 'qemu', 'guest'],
      may: pvBuildRights,
      why: 'builds the VMs on its trust list',
    },
    { on: 'guest', may: hvmBuildRights, why: 'builds guests whose systems have no Xen drivers' },
    {
      on: 'xen',
      may: { xen2: 'get_cpu_featureset' },
      why: 'learns what of the processor such a guest can be shown',
    },
    { on: 'qemu', may: { domain2: 'make_priv_for' }, why: 'makes such a guest the target of its Qemu VM' },
    {
      on: ['toolstack', 'blkback', 'netback', 'qemu', 'guest'],
      may: { domain: 'pause destroy shutdown' },
      why: 'ends, holds and resumes what it built',
    },
    {
      on: 'guest',
      may: { domain: 'trigger' },
      why: "presses the power button of such a guest's PC, which Xen itself emulates",
    },
    { on: 'xenstore-logic', may: pvLoadRights, why: 'builds XenStore-Logic again when that has ended' },
    {
      on: 'xenstore-logic',
      may: { domain: 'destroy set_virq_handler' },
      why: 'takes apart what is left of it, and sends the news of dead domains to the new one',
    },
    { on: 'bootstrapper', may: { domain: 'destroy' }, why: 'removes domain 0, whose last act was to start Builder' },
    { on: ['anyone', 'self'], may: { domain: 'getdomaininfo' }, why: 'lists VMs and notices that one has ended' },
    {
      on: ['pciback', 'pciback-retired'],
      may: { domain: 'pause unpause', domain2: 'relabelfrom relabelto' },
      why: 'strips PCIBack of its rights while no device is being set up, and wakes it for the next',
    },
    { on: 'security', may: { security: 'check_context' }, why: 'turns the labels of the VMs it builds into SIDs' },
    { on: 'xen', may: { xen: 'physinfo' }, why: 'refuses a VM for which there is no memory, or no such processor' },
  ],
  grants: [
    { from: 'toolstack', use: 'map', why: "the ring of Toolstack's requests" },
    { from: 'pciback', use: 'map', why: "the ring of PCIBack's reports" },
  ],
  channels: [
    { peer: 'xenstore-logic', why: 'XenStore client; introduces the VMs it builds' },
    { peer: 'toolstack', why: 'takes requests for guests' },
    { peer: 'pciback', why: 'learns of controllers and says whom to hand them to' },
  ],
  xenstore: [
    { path: '/local/domain/<VM>', access: 'write', why: 'makes the home of every VM it builds' },
    { path: '~', access: 'write', why: 'its state and the links it serves' },
  ],
  storePrivilege: storePrivileges.builder,
  devices: [],
});
