/** Manifests + the hypervisor's classes → the text of a monolithic FLASK policy, as checkpolicy takes it. */
import { contextOf } from '../contracts/flask-contexts.ts';
import type { Manifest } from '../kit/manifest.ts';
import { complaints } from './check-manifests.ts';
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
import { type ClassFiles, type FlaskClasses, parseClassFiles } from './flask-classes.ts';
import type { Grounds, Rule } from './grounds.ts';
import { groundsOf } from './rules.ts';
import { silenced } from './silenced.ts';

/**
 * Initial SIDs → types. A domain that nobody labelled (Xen's defaults domU and domDM are for hypervisors without a policy of their
 * own) is unlabeled_t, which may do nothing.
 */
const initialTypes: Readonly<Record<string, string>> = {
  xenboot: 'xenboot_t',
  xen: 'xen_t',
  dom0: 'dom0_t',
  domio: 'domio_t',
  domxen: 'domxen_t',
  unlabeled: 'unlabeled_t',
  security: 'security_t',
  ioport: 'ioport_t',
  iomem: 'iomem_t',
  irq: 'irq_t',
  device: 'device_t',
  domU: 'unlabeled_t',
  domDM: 'unlabeled_t',
};

/** Roles: pseudo-domains and domains are subjects, the rest are objects. */
const xenTypes = ['xenboot_t', 'xen_t', 'domio_t', 'domxen_t', 'unlabeled_t', 'security_t'];

export function generatePolicy(manifests: readonly Manifest[], classFiles: ClassFiles): string {
  const found = complaints(manifests);
  if (found.length > 0) throw new Error(`manifests:\n${found.join('\n')}`);
  const classes = parseClassFiles(classFiles);
  const domains = domainsOf(manifests);
  const grounds = groundsOf(manifests);
  for (const { by, rules } of grounds) for (const rule of rules) checkNames(classes, by, rule);
  return [
    classSection(classes),
    typeSection(domains),
    transitionSection(domains),
    'allow xenboot_t dom0_t:domain { create };',
    ...grounds.map(groundsText),
    silenceSection(domains),
    roleSection(domains),
    sidSection(classes),
  ]
    .join('\n\n')
    .concat('\n');
}

function checkNames(classes: FlaskClasses, by: string, rule: Rule): void {
  const known = classes.permissions.get(rule.class);
  if (!known) throw new Error(`manifest of ${by}: the hypervisor has no class ${rule.class}`);
  for (const permission of rule.permissions)
    if (!known.includes(permission))
      throw new Error(`manifest of ${by}: class ${rule.class} has no permission ${permission}`);
}

function classSection({ permissions, initialSids }: FlaskClasses): string {
  return [
    ...[...permissions.keys()].map((name) => `class ${name}`),
    ...initialSids.map((name) => `sid ${name}`),
    ...[...permissions].map(([name, list]) => `class ${name} { ${list.join(' ')} }`),
  ].join('\n');
}

function typeSection(domains: readonly Domain[]): string {
  const ofDomains = domains.flatMap(({ name }) => [typeOf(name), selfTypeOf(name), channelTypeOf(name)]);
  return [...xenTypes, ...deviceTypes, ...ofDomains, targetTypeOf(EMULATED)].map((type) => `type ${type};`).join('\n');
}

function transitionSection(domains: readonly Domain[]): string {
  const target = targetTypeOf(EMULATED);
  const ends = [...domains.flatMap(({ name }) => [typeOf(name), selfTypeOf(name)]), target].join(' ');
  return [
    // Xen asks in this order: the guest, then who emulates its hardware.
    `type_transition ${typeOf(EMULATED)} ${typeOf(EMULATOR)}:domain ${target};`,
    ...domains.flatMap(({ name }) => [
      `type_transition ${typeOf(name)} ${typeOf(name)}:domain ${selfTypeOf(name)};`,
      `type_transition ${typeOf(name)} { ${ends} }:event ${channelTypeOf(name)};`,
    ]),
  ].join('\n');
}

function groundsText({ by, why, rules }: Grounds): string {
  const allows = rules.map(
    (rule) => `allow ${rule.source} ${rule.target}:${rule.class} { ${rule.permissions.join(' ')} };`,
  );
  return [`# ${by}: ${why}`, ...new Set(allows)].join('\n');
}

function silenceSection(domains: readonly Domain[]): string {
  const everyone = domains.filter((domain) => domain.lives).map(({ name }) => name);
  return silenced
    .map(({ who, on, class: className, permissions, why }) => {
      const types = (who === 'everyone' ? everyone : who).map(typeOf).join(' ');
      return `# not reported: ${why}\ndontaudit { ${types} } ${on}:${className} { ${permissions} };`;
    })
    .join('\n');
}

function roleSection(domains: readonly Domain[]): string {
  const subjects = [
    ...xenTypes,
    ...domains.flatMap(({ name }) => [typeOf(name), selfTypeOf(name)]),
    targetTypeOf(EMULATED),
  ];
  return ['role system_r;', `role system_r types { ${subjects.join(' ')} };`, 'user system_u roles { system_r };'].join(
    '\n',
  );
}

function sidSection({ initialSids }: FlaskClasses): string {
  const objects: readonly string[] = deviceTypes;
  return initialSids
    .map((sid) => {
      const type = initialTypes[sid];
      if (!type) throw new Error(`the hypervisor has an initial SID ${sid} for which no type was chosen`);
      return `sid ${sid} ${objects.includes(type) ? `system_u:object_r:${type}` : contextOf(type)}`;
    })
    .join('\n');
}
