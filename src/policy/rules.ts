/** Manifests → allow rules. Each relation (a channel, a mapped grant, a hypercall right) is written once, here. */
import type { DomainName, HypercallRight, Manifest, Target } from '../kit/manifest.ts';
import { baselineGrounds } from './baseline.ts';
import { channelTypeOf, type Domain, deviceTypes, domainsOf, selfTypeOf, typeOf } from './domains.ts';
import { type Grounds, type Rule, rule, words } from './grounds.ts';

/** Checked when either end opens or binds: the opener's channel label must be allowed to end in the other domain. */
const channelEnd = (from: DomainName, toType: string): Rule[] => [
  rule(typeOf(from), channelTypeOf(from), 'event', 'create send status'),
  rule(channelTypeOf(from), toType, 'event', 'bind'),
];
const channel = (a: DomainName, b: DomainName): Rule[] => [...channelEnd(a, typeOf(b)), ...channelEnd(b, typeOf(a))];

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

/** Creating (or using) a channel is checked against the channel's label, resetting against the domain itself. */
const channelPermissions = new Set(['create', 'send', 'status']);

function hypercallRules(actor: DomainName, right: HypercallRight, target: Target, domains: readonly Domain[]): Rule[] {
  return Object.entries(right.may).flatMap(([className, permissions]) => {
    const onChannel = className === 'event' && words(permissions).every((name) => channelPermissions.has(name));
    const types = onChannel
      ? domainTargets(actor, target, domains).map(channelTypeOf)
      : targetTypes(actor, target, domains);
    return types.map((type) => rule(typeOf(actor), type, className, permissions));
  });
}

function targetTypes(actor: DomainName, target: Target, domains: readonly Domain[]): readonly string[] {
  switch (target) {
    case 'self':
      return [selfTypeOf(actor)];
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

/** `anyone` takes in the retired PCIBack (it is listed, and its mapped pages are released), not planned services. */
function domainTargets(actor: DomainName, target: Target, domains: readonly Domain[]): DomainName[] {
  const known = domains
    .filter((domain) => domain.lives || domain.name === 'pciback-retired')
    .map((domain) => domain.name);
  if (target === 'anyone') return known.filter((name) => name !== actor);
  const found = known.find((name) => name === target);
  if (!found) throw new Error(`manifest of ${actor}: a right on ${target}, which is no domain that could be a target`);
  return [found];
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
  const selfChannels = manifest.channels
    .filter(({ peer }) => peer === 'self')
    .map(({ why }) => ({ by: name, why, rules: channelEnd(name, selfTypeOf(name)) }));
  const devices = manifest.devices.map((right) => ({ by: name, why: right.why, rules: usesDevices(name) }));
  return [...hypercalls, ...grants, ...selfChannels, ...devices];
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

/** Every rule of the policy, in a stable order. */
export function groundsOf(manifests: readonly Manifest[]): Grounds[] {
  const domains = domainsOf(manifests);
  const living = domains.filter((domain) => domain.lives);
  return [
    ...baselineGrounds(living.map((domain) => domain.name)),
    ...living.flatMap(({ manifest }) => (manifest ? manifestGrounds(manifest, domains) : [])),
    ...living.flatMap((domain) =>
      channelsOf(domain, living).map(({ peer, why }) => ({
        by: domain.name,
        why,
        rules: channel(domain.name, peer.name),
      })),
    ),
    retirement,
  ];
}
