/**
 * What no policy of ours may ever allow, whatever the manifests say. Checked on the compiled policy before it goes into an image.
 * `breach` is a rule that would break the claim: the tests add it and require that the claim notices.
 */

import type { Allowed } from './compiled-policy.ts';
import { deviceTypes, EMULATED, targetTypeOf } from './domains.ts';

export interface NeverRule {
  readonly claim: string;
  readonly forbids: (allowed: Allowed) => boolean;
  readonly breach: string;
}

const isOneOf = (names: readonly string[]) => (name: string) => names.includes(name);
/** The machine's memory map, which an initial domain reads, is the one mmu right that is about no domain's memory. */
const memoryOfOthers = ({ source, target, class: className, permission }: Allowed) =>
  className === 'mmu' &&
  target !== source.replace(/_t$/, '_self_t') &&
  !(target === 'xen_t' && permission === 'memorymap');
/** A Qemu VM's guest, as Xen sees it when that VM acts on it; no other guest is that. */
const OWN_GUEST = targetTypeOf(EMULATED);
const ofOwnGuest = ({ source, target }: Allowed) => source === 'qemu_t' && target === OWN_GUEST;
const isXen = isOneOf(['xenboot_t', 'xen_t']);
const builds = isOneOf(['dom0_t', 'builder_t']);
/** Learning that a domain exists, and how much memory and time it has used. */
const looks = ({ class: className, permission }: Allowed) => className === 'domain' && permission === 'getdomaininfo';
const belongsTo = (service: string) => isOneOf([`${service}_t`, `${service}_self_t`, `${service}_channel_t`]);
const isControl = isOneOf(['domain', 'domain2', 'hvm', 'shadow']);

/** Who talks to whom, by rings and event channels. What is not on these lines, Xen refuses. */
const lines = [
  ...['xenstore_state', 'builder', 'pciback', 'toolstack', 'blkback', 'netback', 'qemu', 'guest'].map((client) => [
    client,
    'xenstore_logic',
  ]),
  ...['guest', 'qemu', 'toolstack'].flatMap((client) => [
    [client, 'blkback'],
    [client, 'netback'],
  ]),
  ['guest', 'toolstack'],
  ['qemu', 'toolstack'],
  // Its own guest: that it is no other is a rule of its own.
  ['qemu', 'guest'],
  ['toolstack', 'builder'],
  ['pciback', 'builder'],
  ['pciback', 'blkback'],
  ['pciback', 'netback'],
  // Held, it is a client that keeps its channel.
  ['pciback_retired', 'xenstore_logic'],
].map((pair) => pair.sort().join(' '));

const isTalk = ({ class: className, permission }: Allowed) =>
  (className === 'grant' && isOneOf(['map_read', 'map_write', 'copy', 'transfer'])(permission)) ||
  (className === 'event' && permission === 'bind');

function isOnALine({ source, target }: Allowed): boolean {
  const ends = [source, target].map((type) => type.replace(/(_channel|_self|_target)?_t$/, ''));
  return ends[0] === ends[1] || lines.includes(ends.sort().join(' '));
}

/** XenStore-Logic finds its clients by trying: it may map the ring of every domain, even of one without a XenStore connection. */
const triesClients = ({ source, class: className }: Allowed) => source === 'xenstore_logic_t' && className === 'grant';

/** A guest's whole authority. */
const guestMay = (allowed: Allowed): boolean =>
  (allowed.target === 'guest_self_t' && isOneOf(['mmu', 'grant'])(allowed.class)) ||
  (allowed.target === 'guest_self_t' && isOneOf(['get_vnumainfo', 'getparam', 'setparam'])(allowed.permission)) ||
  (allowed.target === 'guest_channel_t' && allowed.class === 'event') ||
  (allowed.target === 'netback_t' && allowed.class === 'grant' && allowed.permission === 'copy') ||
  (allowed.target === 'xen_t' && allowed.class === 'version');

/** A Qemu VM's whole authority beside its talks. */
const qemuMay = (allowed: Allowed): boolean =>
  (allowed.target === 'qemu_self_t' && isOneOf(['mmu', 'grant'])(allowed.class)) ||
  (allowed.target === 'qemu_self_t' && allowed.permission === 'get_vnumainfo') ||
  (allowed.target === 'qemu_channel_t' && allowed.class === 'event') ||
  (allowed.target === 'netback_t' && allowed.class === 'grant' && allowed.permission === 'copy') ||
  (allowed.target === 'xen_t' && (allowed.class === 'version' || allowed.permission === 'writeconsole')) ||
  (allowed.target === OWN_GUEST &&
    isOneOf(['dm', 'getparam', 'resource_map', 'map_read', 'map_write', 'adjust', 'create'])(allowed.permission)) ||
  (allowed.target === 'guest_channel_t' && allowed.permission === 'create') ||
  // Asked when Builder makes it an emulator; it takes two more rights, which Builder alone has.
  (allowed.target === 'guest_t' && allowed.permission === 'set_target');

export const neverRules: readonly NeverRule[] = [
  {
    claim: 'only Bootstrapper and Builder create domains',
    forbids: ({ source, target, permission, class: className }) =>
      className === 'domain' &&
      permission === 'create' &&
      !builds(source) &&
      !(source === 'xenboot_t' && target === 'dom0_t'),
    breach: 'allow toolstack_t guest_t:domain create;',
  },
  {
    claim:
      'only Bootstrapper and Builder reach into the memory of another domain, and a Qemu VM into that of its guest',
    forbids: (allowed) => memoryOfOthers(allowed) && !builds(allowed.source) && !ofOwnGuest(allowed),
    breach: 'allow blkback_t guest_t:mmu map_read;',
  },
  {
    claim: 'Builder reaches into the memory of guests, Qemu VMs, driver VMs, Toolstack and XenStore-Logic only',
    forbids: (allowed) =>
      memoryOfOthers(allowed) &&
      allowed.source === 'builder_t' &&
      !isOneOf(['guest_t', 'qemu_t', 'blkback_t', 'netback_t', 'toolstack_t', 'xenstore_logic_t'])(allowed.target),
    breach: 'allow builder_t xenstore_state_t:mmu map_read;',
  },
  {
    claim: 'only Bootstrapper makes a hardware domain, and only of PCIBack',
    forbids: ({ source, target, permission }) =>
      permission === 'create_hardware_domain' && !(source === 'dom0_t' && target === 'pciback_t'),
    breach: 'allow builder_t pciback_t:domain2 create_hardware_domain;',
  },
  {
    claim: 'only Builder ends, pauses or shuts down a domain',
    forbids: ({ source, class: className, permission }) =>
      className === 'domain' &&
      isOneOf(['destroy', 'pause', 'shutdown', 'resume'])(permission) &&
      source !== 'builder_t',
    breach: 'allow toolstack_t guest_t:domain destroy;',
  },
  {
    claim: 'only Builder presses buttons, and only those of guests',
    forbids: ({ source, target, class: className, permission }) =>
      className === 'domain' && permission === 'trigger' && !(source === 'builder_t' && target === 'guest_t'),
    breach: 'allow builder_t toolstack_t:domain trigger;',
  },
  {
    claim: 'only Builder sets a clock, and only those of guests',
    forbids: ({ source, target, class: className, permission }) =>
      className === 'domain' && permission === 'settime' && !(source === 'builder_t' && target === 'guest_t'),
    breach: 'allow toolstack_t guest_t:domain settime;',
  },
  {
    claim: 'only Builder changes a label, and only between PCIBack and the retired PCIBack',
    forbids: ({ source, target, permission }) =>
      (permission.startsWith('relabel') || permission === 'transition') &&
      !(
        isOneOf(['pciback_t', 'pciback_retired_t'])(target) &&
        isOneOf(permission === 'transition' ? ['pciback_t', 'pciback_retired_t'] : ['builder_t'])(source)
      ),
    breach: 'allow builder_t guest_t:domain2 relabelto;',
  },
  {
    claim: 'the retired PCIBack may do nothing but become PCIBack again',
    forbids: (allowed) =>
      belongsTo('pciback_retired')(allowed.source) &&
      !(allowed.target === 'pciback_t' && allowed.class === 'domain' && allowed.permission === 'transition'),
    breach: 'allow pciback_retired_t device_t:resource add_device;',
  },
  {
    claim: 'an unlabelled domain may do nothing, and nobody creates one',
    forbids: ({ source, target }) => [source, target].includes('unlabeled_t'),
    breach: 'allow builder_t unlabeled_t:domain create;',
  },
  {
    claim: 'a guest has its own memory, its channels, and packets that NetBack copies for it: nothing else',
    forbids: (allowed) => allowed.source === 'guest_t' && !guestMay(allowed),
    breach: 'allow guest_t guest_self_t:domain getvcpucontext;',
  },
  {
    claim: 'a Qemu VM has its own memory, its channels, and its guest: nothing else, and no other guest',
    forbids: (allowed) => allowed.source === 'qemu_t' && !qemuMay(allowed),
    breach: 'allow qemu_t guest_t:mmu map_read;',
  },
  {
    claim: 'a Qemu VM has no channel to a guest but its own',
    forbids: ({ source, target }) => source === 'qemu_channel_t' && belongsTo('guest')(target),
    breach: 'allow qemu_channel_t guest_t:event bind;',
  },
  {
    claim: "what a Qemu VM's guest is to that VM, it is to nobody else, and it does nothing as such itself",
    forbids: ({ source, target }) =>
      source === OWN_GUEST || (target === OWN_GUEST && !isOneOf(['qemu_t', 'qemu_channel_t'])(source)),
    breach: `allow builder_t ${OWN_GUEST}:domain pause;`,
  },
  {
    claim: 'only Builder makes a guest the target of another VM, and only of a Qemu VM',
    forbids: ({ source, target, permission }) =>
      (permission === 'make_priv_for' && !(source === 'builder_t' && target === 'qemu_t')) ||
      (permission === 'set_as_target' && !(source === 'builder_t' && target === 'guest_t')) ||
      (permission === 'set_target' && !(source === 'qemu_t' && target === 'guest_t')),
    breach: 'allow toolstack_t guest_t:domain2 set_as_target;',
  },
  {
    claim: 'only Bootstrapper and Builder open event channels in another domain, and a Qemu VM in its guest',
    forbids: ({ source, target, class: className, permission }) =>
      className === 'event' &&
      permission === 'create' &&
      target !== source.replace(/_t$/, '_channel_t') &&
      !builds(source) &&
      !(source === 'qemu_t' && isOneOf(['guest_channel_t', OWN_GUEST])(target)),
    breach: 'allow guest_t guest_t:event create;',
  },
  {
    claim: 'XenStore-State is reached by XenStore-Logic alone, after Bootstrapper has built it',
    forbids: (allowed) =>
      belongsTo('xenstore_state')(allowed.target) &&
      !isOneOf([
        'xenstore_state_t',
        'xenstore_state_channel_t',
        'xenstore_logic_t',
        'xenstore_logic_channel_t',
        'dom0_t',
      ])(allowed.source) &&
      !looks(allowed),
    breach: 'allow toolstack_t xenstore_state_t:grant map_read;',
  },
  {
    claim: 'rings and event channels follow the lines of the design',
    forbids: (allowed) => isTalk(allowed) && !isOnALine(allowed) && !triesClients(allowed),
    breach: 'allow guest_channel_t builder_t:event bind;',
  },
  {
    claim: 'driver VMs and XenStore-State control no domain',
    forbids: ({ source, class: className, permission }) =>
      isOneOf(['blkback_t', 'netback_t', 'xenstore_state_t'])(source) &&
      isControl(className) &&
      permission !== 'get_vnumainfo',
    breach: 'allow netback_t toolstack_t:domain getdomaininfo;',
  },
  {
    claim: 'Toolstack, XenStore-Logic and PCIBack look at domains and control none',
    forbids: (allowed) =>
      isOneOf(['toolstack_t', 'xenstore_logic_t', 'pciback_t'])(allowed.source) &&
      allowed.permission !== 'transition' &&
      isControl(allowed.class) &&
      !looks(allowed) &&
      allowed.permission !== 'get_vnumainfo',
    breach: 'allow toolstack_t guest_t:domain setvcpucontext;',
  },
  {
    claim: 'no right over a type is held by domains of that type: guests and driver VMs share theirs',
    forbids: ({ source, target }) => source === target,
    breach: 'allow netback_t netback_t:grant map_read;',
  },
  {
    claim: 'only PCIBack hands out devices',
    forbids: ({ source, class: className, permission }) =>
      className === 'resource' && !permission.startsWith('use_') && source !== 'pciback_t',
    breach: 'allow netback_t iomem_t:resource add_iomem;',
  },
  {
    claim: 'only PCIBack and driver VMs use devices',
    forbids: ({ source, target }) =>
      isOneOf(deviceTypes)(target) && !isOneOf(['pciback_t', 'blkback_t', 'netback_t'])(source),
    breach: 'allow toolstack_t device_t:resource use_iommu;',
  },
  {
    claim: 'nobody changes the policy, or turns it off',
    forbids: ({ class: className, permission }) => className === 'security' && permission !== 'check_context',
    breach: 'allow builder_t security_t:security setenforce;',
  },
  {
    claim: 'nobody debugs, patches, traces or re-clocks the hypervisor',
    forbids: ({ target, class: className, permission }) =>
      (className === 'xen2' && permission !== 'get_cpu_featureset') ||
      (className === 'xen' &&
        target === 'xen_t' &&
        !isOneOf(['writeconsole', 'readconsole', 'physinfo', 'readapic', 'writeapic', 'sleep'])(permission)),
    breach: 'allow builder_t xen_t:xen debug;',
  },
  {
    claim:
      'only a Qemu VM emulates hardware, for its guest; only Builder sets up the processors and devices that Xen emulates',
    forbids: (allowed) =>
      allowed.class === 'hvm' &&
      !(ofOwnGuest(allowed) && isOneOf(['dm', 'getparam'])(allowed.permission)) &&
      !(allowed.source === 'guest_t' && guestMay(allowed)) &&
      !(
        allowed.source === 'builder_t' &&
        allowed.target === 'guest_t' &&
        isOneOf(['setparam', 'gethvmc', 'sethvmc'])(allowed.permission)
      ),
    breach: 'allow netback_t guest_t:hvm dm;',
  },
  {
    claim: 'nobody watches or shares the memory of another domain behind its back',
    forbids: ({ class: className, permission }) =>
      isOneOf(['shadow', 'argo'])(className) ||
      isOneOf(['vm_event', 'mem_sharing', 'mem_access', 'mem_paging'])(permission),
    breach: 'allow netback_t guest_t:domain2 vm_event;',
  },
  {
    claim: 'Xen itself holds no rights but creating domain 0',
    forbids: ({ source, target, permission }) => isXen(source) && !(target === 'dom0_t' && permission === 'create'),
    breach: 'allow xen_t guest_t:mmu map_read;',
  },
];

export interface Violation {
  readonly claim: string;
  readonly allowed: Allowed;
}

export const violations = (policy: readonly Allowed[]): Violation[] =>
  neverRules.flatMap(({ claim, forbids }) => policy.filter(forbids).map((allowed) => ({ claim, allowed })));
