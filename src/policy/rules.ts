/** Manifests → allow rules. Each relation (a channel, a mapped grant, a hypercall right) is written once, here. */
import type { DomainName, HypercallRight, Manifest, Target } from '../kit/manifest.ts';
import { baselineGrounds } from './baseline.ts';
import {
  channelTypeOf,
  type Domain,
  deviceTypes,
  domainsOf,
  EMULATED,
  EMULATOR,
  selfTypeOf,
  targetTypeOf,
  typeOf,
} from './domains.ts';
import { type Grounds, type Rule, rule } from './grounds.ts';

/** Checked when either end opens or binds: the opener's channel label must be allowed to end in the other domain. */
const channelEnd = (from: DomainName, toType: string): Rule[] => [
  rule(typeOf(from), channelTypeOf(from), 'event', 'create send status'),
  rule(channelTypeOf(from), toType, 'event', 'bind'),
];
/** The retired PCIBack opens none. What PCIBack opened has PCIBack's channel label still. */
const channel = (a: Domain, b: Domain): Rule[] => [
  ...(a.lives ? channelEnd(a.name, typeOf(b.name)) : []),
  ...(b.lives ? channelEnd(b.name, typeOf(a.name)) : []),
];

/** To open an end in another domain takes a right over the label that the end gets, and one over that domain. */
const opensIn = (opener: DomainName, other: DomainName, asType: string): Rule[] => [
  rule(typeOf(opener), channelTypeOf(other), 'event', 'create'),
  rule(typeOf(opener), asType, 'event', 'create'),
];

/**
 * Between an emulator and its guest. Xen opens the guest's end for the emulator that asks for it; the emulator binds to it. To the guest, the
 * emulator is a VM like others.
 */
const ownGuestChannel = (emulator: DomainName): Rule[] => [
  ...channelEnd(emulator, targetTypeOf(EMULATED)),
  ...opensIn(emulator, EMULATED, targetTypeOf(EMULATED)),
  rule(channelTypeOf(EMULATED), typeOf(emulator), 'event', 'bind'),
];

const mapsGrants = (mapper: DomainName, owner: DomainName): Rule[] => [
  rule(typeOf(mapper), typeOf(owner), 'grant', 'map_read map_write unmap'),
];
/** Xen checks a copy from the owner of the source page towards the owner of the destination. */
const copiesGrants = (mapper: DomainName, owner: DomainName): Rule[] => [
  rule(typeOf(mapper), typeOf(owner), 'grant', 'copy'),
  rule(typeOf(owner), typeOf(mapper), 'grant', 'copy'),
];

/** Which variant of `use` Xen checks depends on the IOMMU it found; where there is none, `ennead info` says so. */
const usesDevices = (user: DomainName): Rule[] => [
  ...deviceTypes.map((type) => rule(typeOf(user), type, 'resource', 'use_iommu use_iommu_nointremap use_noiommu')),
  rule(typeOf(user), selfTypeOf(user), 'mmu', 'exchange'),
];

function hypercallRules(actor: DomainName, right: HypercallRight, target: Target, domains: readonly Domain[]): Rule[] {
  return Object.entries(right.may).flatMap(([className, permissions]) =>
    className === 'event' && permissions === 'create'
      ? domainTargets(actor, target, domains).flatMap((other) => opensIn(actor, other, typeOf(other)))
      : targetTypes(actor, target, domains).map((type) => rule(typeOf(actor), type, className, permissions)),
  );
}

function targetTypes(actor: DomainName, target: Target, domains: readonly Domain[]): readonly string[] {
  switch (target) {
    case 'self':
      return [selfTypeOf(actor)];
    case 'own-guest':
      return [targetTypeOf(EMULATED)];
    case 'xen':
      return ['xen_t'];
    case 'security':
      return ['security_t'];
    case 'device':
      return deviceTypes;
    default:
      return domainTargets(actor, target, domains).map(typeOf);
  }
}

/** The domains among the targets. `anyone` takes in the retired PCIBack: it is listed, and its mapped pages are released. */
function domainTargets(actor: DomainName, target: Target, domains: readonly Domain[]): DomainName[] {
  const named = domains.map(({ name }) => name);
  return named.filter((name) => (target === 'anyone' ? name !== actor : name === target));
}

/** The peers with which both ends want a channel. Each pair is reported by its first domain in the list. */
function channelsOf(domain: Domain, domains: readonly Domain[]): { peer: Domain; why: string }[] {
  const wants = (from: Domain, to: Domain) =>
    from.channels.find((entry) => entry.peer === to.name) ?? from.channels.find((entry) => entry.peer === 'anyone');
  return domains.slice(domains.indexOf(domain) + 1).flatMap((peer) => {
    const here = wants(domain, peer);
    const there = wants(peer, domain);
    return here && there ? [{ peer, why: `${domain.name}: ${here.why}; ${peer.name}: ${there.why}` }] : [];
  });
}

function manifestGrounds(manifest: Manifest, domains: readonly Domain[]): Grounds[] {
  const { name } = manifest;
  const hypercalls = manifest.hypercalls.map((right) => ({
    by: name,
    why: right.why,
    rules: [right.on].flat().flatMap((target) => hypercallRules(name, right, target, domains)),
  }));
  const grants = manifest.grants.map((right) => ({
    by: name,
    why: right.why,
    rules: domainTargets(name, right.from, domains).flatMap((owner) => [
      ...mapsGrants(name, owner),
      ...(right.use === 'map and copy' ? copiesGrants(name, owner) : []),
    ]),
  }));
  const lonelyChannels = manifest.channels.flatMap(({ peer, why }) => {
    if (peer === 'self') return [{ by: name, why, rules: channelEnd(name, selfTypeOf(name)) }];
    return peer === 'own-guest' ? [{ by: name, why, rules: ownGuestChannel(name) }] : [];
  });
  const devices = manifest.devices.map((right) => ({ by: name, why: right.why, rules: usesDevices(name) }));
  return [...hypercalls, ...grants, ...lonelyChannels, ...devices];
}

/** Xen checks a relabelling also from the old label to the new one, whoever asks for it. */
const retirement: Grounds = {
  by: 'pciback',
  why: 'Builder retires PCIBack and wakes it again by changing its label',
  rules: [
    rule(typeOf('pciback'), typeOf('pciback-retired'), 'domain', 'transition'),
    rule(typeOf('pciback-retired'), typeOf('pciback'), 'domain', 'transition'),
  ],
};

/** Asked of the two labels when Builder makes a guest the target of its emulator; neither of them can make use of it. */
const emulation: Grounds = {
  by: EMULATOR,
  why: 'Builder makes a guest its target',
  rules: [rule(typeOf(EMULATOR), typeOf(EMULATED), 'domain', 'set_target')],
};

/** Every rule of the policy, in a stable order. */
export function groundsOf(manifests: readonly Manifest[]): Grounds[] {
  const domains = domainsOf(manifests);
  const living = domains.filter((domain) => domain.lives);
  return [
    ...baselineGrounds(living.map((domain) => domain.name)),
    ...living.flatMap(({ manifest }) => (manifest ? manifestGrounds(manifest, domains) : [])),
    ...domains.flatMap((domain) =>
      channelsOf(domain, domains).map(({ peer, why }) => ({ by: domain.name, why, rules: channel(domain, peer) })),
    ),
    retirement,
    emulation,
  ];
}
