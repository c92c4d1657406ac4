/**
 * What Xen has to answer to each attempt. Whether an attempt is a right follows from the manifests, through the same rules from which
 * the policy is made; what is written down here is only what Xen checks for each attack, and in which order.
 */
import { channelTypeOf, selfTypeOf, targetTypeOf, typeOf } from '../../../src/policy/domains.ts';
import { type Rule, rule } from '../../../src/policy/grounds.ts';
import { manifests } from '../../../src/policy/manifests.ts';
import { groundsOf } from '../../../src/policy/rules.ts';
import { silenced } from '../../../src/policy/silenced.ts';
import { additions } from './attack-policy.ts';
import {
  type Actor,
  type AttackName,
  type Attempt,
  BUILDER,
  domidOf,
  hasIommu,
  isOwnGuest,
  type Label,
  type Vm,
  XENSTORE_LOGIC,
} from './plan.ts';

export interface Expectation {
  /** One of these. */
  readonly answers: readonly string[];
  /** What Xen has to write down; null where the policy says nothing against it, or refuses without a word. */
  readonly denial: Rule | null;
  /** The manifest's reason for a right, or Xen's own for a refusal that is not the policy's. */
  readonly why: string | null;
}

interface Outcome {
  readonly answers: readonly string[];
  readonly why: string;
}

/** What Xen looks at for one attack. */
interface Check {
  /** In Xen's order; the first that the policy lacks is the one that is written down. */
  readonly rules: readonly Rule[];
  /** How a refusal by the policy reaches the caller. */
  readonly refusal?: string;
  /** Refusals of Xen's own before it asks the policy, and outcomes after the policy has said yes. */
  readonly before?: Outcome | null;
  readonly after?: Outcome | null;
}

interface Sides {
  readonly actor: Label;
  readonly target: Label;
  readonly iommu: boolean;
  readonly self: boolean;
  /** The target is the guest that the actor emulates a PC for. */
  readonly ownGuest: boolean;
  readonly hvm: boolean;
}

const NOT_GRANTED: Outcome = { answers: ['EINVAL'], why: 'its owner has granted that page to somebody else' };
const NOT_OFFERED: Outcome = { answers: ['EINVAL'], why: 'no port there waits for this domain' };
const MAYBE_OFFERED: Outcome = { answers: ['EINVAL', 'ok'], why: 'the other end may be offering a port just now' };
const MAYBE_ASKED: Outcome = {
  answers: ['EINVAL', 'EACCES'],
  why: 'only if the other end is offering a port just now, the policy is asked',
};
const NOT_A_HOLDER: Outcome = { answers: ['EPERM'], why: 'only a holder can hand on a device: the hardware domain' };
const NO_IOMMU: Outcome = { answers: ['EOPNOTSUPP'], why: 'Xen assigns no device to a domain without an IOMMU' };
const NO_BUTTON: Outcome = { answers: ['EINVAL'], why: 'only an HVM domain has a power button' };
const NOT_EMULATED: Outcome = { answers: ['EINVAL'], why: 'only an HVM domain has emulated hardware' };
const NOT_TRANSLATED: Outcome = { answers: ['EACCES'], why: 'a PV domain has no map of its memory that Xen keeps' };
const NOT_TO_ITSELF: Outcome = { answers: ['EINVAL'], why: 'nobody assigns a device to itself' };

const endOf = ({ target, self, ownGuest }: Sides): string => {
  if (self) return selfTypeOf(target);
  return ownGuest ? targetTypeOf(target) : typeOf(target);
};
const onDomain =
  (className: string, permissions: string) =>
  (sides: Sides): Check => ({
    rules: [rule(typeOf(sides.actor), endOf(sides), className, permissions)],
  });
const onXen =
  (type: string, className: string, permission: string) =>
  ({ actor }: Sides): Check => ({
    rules: [rule(typeOf(actor), type, className, permission)],
  });

/** Linux's grant device has one error for whatever Xen answers. */
const grant =
  (isGrantee: (sides: Sides) => boolean) =>
  (sides: Sides): Check => ({
    ...onDomain('grant', 'map_read map_write')(sides),
    refusal: 'EINVAL',
    after: isGrantee(sides) ? null : NOT_GRANTED,
  });

const channel = (opener: Label, other: string, actor: Label): Rule[] => [
  rule(typeOf(actor), channelTypeOf(opener), 'event', 'create'),
  rule(channelTypeOf(opener), other, 'event', 'bind'),
];
/** In another domain it takes a right over that, too. */
function channelInside(sides: Sides, other: string): Check {
  const [label, bind] = channel(sides.target, other, sides.actor);
  return { rules: [label!, rule(typeOf(sides.actor), endOf(sides), 'event', 'create'), bind!] };
}

/** A port can be offered only along a line of the design. One is, all the time: Builder's, for PCIBack. */
function bindPorts(sides: Sides): Check {
  const there = channel(sides.target, typeOf(sides.actor), sides.target);
  const rules = channel(sides.actor, endOf(sides), sides.actor);
  if (there.some(lacking)) return { rules, before: NOT_OFFERED };
  // So it is with the retired PCIBack and XenStore-Logic, and with a Qemu VM and its own guest.
  if (rules.some(lacking)) return { rules, before: MAYBE_ASKED };
  return { rules, after: sides.actor === 'pciback' && sides.target === BUILDER.label ? null : MAYBE_OFFERED };
}

const emulation =
  (permission: string) =>
  (sides: Sides): Check => ({ ...onDomain('hvm', permission)(sides), before: sides.hvm ? null : NOT_EMULATED });

const holdsDevices = (actor: Label): boolean => actor === 'pciback' || actor === 'pciback-retired';

/** To hand on a resource: a right over the receiver, one over the resource, and the receiver's own to use it. */
const device =
  (type: string, permission: string, refusal: string) =>
  (sides: Sides): Check => ({
    rules: [
      rule(typeOf(sides.actor), endOf(sides), 'resource', 'add'),
      rule(typeOf(sides.actor), type, 'resource', permission),
      rule(typeOf(sides.target), type, 'resource', 'use_iommu'),
    ],
    refusal,
  });
const heldDevice =
  (type: string, permission: string) =>
  (sides: Sides): Check => ({
    ...device(type, permission, 'EPERM')(sides),
    before: holdsDevices(sides.actor) ? null : NOT_A_HOLDER,
  });

const checks: Readonly<Record<AttackName, (sides: Sides) => Check>> = {
  'phys-info': onXen('xen_t', 'xen', 'physinfo'),
  'xen-messages': onXen('xen_t', 'xen', 'readconsole'),
  'context-to-sid': onXen('security_t', 'security', 'check_context'),
  'sid-to-context': onXen('security_t', 'security', 'check_context'),
  create: onDomain('domain', 'create'),
  list: (sides) => ({ ...onDomain('domain', 'getdomaininfo')(sides), refusal: 'hidden' }),
  'map-read': onDomain('mmu', 'map_read'),
  'map-write': onDomain('mmu', 'map_read map_write'),
  'grant-console': grant(({ actor, target }) => actor === 'toolstack' && target === 'guest'),
  'grant-store': grant(({ actor }) => actor === XENSTORE_LOGIC.label),
  'bind-ports': bindPorts,
  'offer-channel': (sides) => ({ rules: channel(sides.actor, endOf(sides), sides.actor) }),
  'channel-inside': (sides) => channelInside(sides, typeOf(sides.actor)),
  'channel-for-third': (sides) =>
    channelInside(
      sides,
      sides.target === XENSTORE_LOGIC.label ? selfTypeOf(sides.target) : typeOf(XENSTORE_LOGIC.label),
    ),
  'virq-handler': onDomain('domain', 'set_virq_handler'),
  'map-gsi': device('irq_t', 'add_irq', 'EACCES'),
  'irq-permission': (sides) => ({
    rules: [rule(typeOf(sides.actor), endOf(sides), 'resource', 'add')],
    refusal: 'EPERM',
    before: holdsDevices(sides.actor) ? null : NOT_A_HOLDER,
  }),
  'iomem-permission': heldDevice('iomem_t', 'add_iomem'),
  'ioport-permission': heldDevice('ioport_t', 'add_ioport'),
  'pci-assign': (sides) => ({
    ...device('device_t', 'add_device', 'EACCES')(sides),
    before: !sides.iommu ? NO_IOMMU : sides.self ? NOT_TO_ITSELF : null,
  }),
  build: onDomain('domain', 'setaddrsize'),
  'max-mem': onDomain('domain', 'setdomainmaxmem'),
  pause: onDomain('domain', 'pause'),
  unpause: onDomain('domain', 'unpause'),
  'power-button': (sides) => ({ ...onDomain('domain', 'trigger')(sides), after: sides.hvm ? null : NO_BUTTON }),
  'take-requests': emulation('dm'),
  'map-requests': (sides) => ({
    ...onDomain('domain2', 'resource_map')(sides),
    after: sides.hvm ? null : NOT_EMULATED,
  }),
  'map-grants': onDomain('domain2', 'resource_map'),
  'raise-isa': emulation('dm'),
  'raise-pci': emulation('dm'),
  'raise-msi': emulation('dm'),
  'raise-fault': emulation('dm'),
  'move-memory': (sides) => ({ ...onDomain('mmu', 'physmap')(sides), before: sides.hvm ? null : NOT_TRANSLATED }),
  'read-parameter': emulation('getparam'),
  'write-parameter': emulation('setparam'),
  'reset-channels': onDomain('event', 'reset'),
  relabel: ({ actor, target }) => ({
    rules: [
      rule(typeOf(actor), typeOf(target), 'domain2', 'relabelfrom'),
      rule(typeOf(actor), typeOf('builder'), 'domain2', 'relabelto'),
      rule(typeOf(target), typeOf('builder'), 'domain', 'transition'),
    ],
  }),
  shutdown: onDomain('domain', 'shutdown'),
  destroy: onDomain('domain', 'destroy'),
};

const key = (source: string, target: string, className: string, permission: string): string =>
  [source, target, className, permission].join(' ');

const keysOf = ({ source, target, class: className, permissions }: Rule): string[] =>
  permissions.map((permission) => key(source, target, className, permission));

/** Each right of the real policy, with the reason that a manifest gives for it. */
const reasons = new Map(
  groundsOf(manifests).flatMap(({ by, why, rules }) =>
    rules.flatMap((one) => keysOf(one).map((right) => [right, `${by}: ${why}`] as const)),
  ),
);

/** What the attack machine's policy holds. An addition is no right: it moves the point at which an attempt is refused. */
const granted = new Set([...reasons.keys(), ...additions.flatMap(keysOf)]);

/** Null where the policy lacks nothing of it. */
function lacking({ source, target, class: className, permissions }: Rule): Rule | null {
  const missing = permissions.filter((permission) => !granted.has(key(source, target, className, permission)));
  return missing.length === 0 ? null : { source, target, class: className, permissions: missing };
}

const isSilent = (actor: Actor, denial: Rule): boolean =>
  silenced.some(
    ({ who, on, class: className, permissions }) =>
      (who === 'everyone' || who.includes(actor)) &&
      on === denial.target &&
      className === denial.class &&
      denial.permissions.every((permission) => permissions.split(' ').includes(permission)),
  );

export const isVm = (target: Attempt['target']): target is Vm => typeof target !== 'string';

/** `label`: that of the target, where a VM of the plan has another one by now. */
export function expectationOf(actor: Actor, { attack, target }: Attempt, label?: Label): Expectation {
  const self = isVm(target) && target.domid === domidOf(actor);
  const iommu = isVm(target) && hasIommu(target);
  const hvm = isVm(target) && target.emulatedBy !== undefined;
  const ownGuest = isVm(target) && isOwnGuest(actor, target);
  const targetLabel = self || target === 'host' ? actor : (label ?? (isVm(target) ? target.label : target));
  const {
    rules,
    refusal = 'EACCES',
    before,
    after,
  } = checks[attack]({
    actor,
    target: targetLabel,
    self,
    iommu,
    hvm,
    ownGuest,
  });
  if (before) return { ...before, denial: null };
  const denial = rules.map(lacking).find((missing) => missing !== null) ?? null;
  if (denial) return { answers: [refusal], denial: isSilent(actor, denial) ? null : denial, why: null };
  if (after) return { ...after, denial: null };
  return { answers: ['ok'], denial: null, why: reasons.get(keysOf(rules[0]!)[0]!) ?? null };
}

/** A right under the real policy, whatever else Xen may have against it. */
export function isRight(actor: Actor, attempt: Attempt): boolean {
  const { answers, why } = expectationOf(actor, attempt);
  return answers.join() === 'ok' && why !== null;
}
