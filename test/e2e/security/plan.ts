/**
 * What both sides of the attack suite know: the VMs of the attack machine, the attacks, and who tries what on whom.
 * The hostile VMs walk through `attemptsOf`, and the test requires an answer to each of its entries.
 */
import { domainTypes, type LabelledDomain } from '../../../src/contracts/flask-contexts.ts';

export type Label = LabelledDomain;
export const labels = Object.keys(domainTypes) as readonly Label[];

export interface Vm {
  readonly domid: number;
  readonly label: Label;
  /** An attacker is a victim of the others too. An expendable one is there for what Builder may do to it, and never runs. */
  readonly part: 'attacker' | 'victim' | 'expendable';
  readonly builtBy: 'bootstrapper' | 'builder';
  /** Of an HVM domain, which never runs: the Qemu VM whose own guest it is. */
  readonly emulatedBy?: number;
}

/** In the order in which they are built. Of those kinds whose VMs share a label there are two: an attacker and a victim. */
export const vms: readonly Vm[] = [
  { domid: 1, label: 'pciback', part: 'attacker', builtBy: 'bootstrapper' },
  { domid: 2, label: 'xenstore-state', part: 'attacker', builtBy: 'bootstrapper' },
  { domid: 3, label: 'xenstore-logic', part: 'attacker', builtBy: 'bootstrapper' },
  { domid: 4, label: 'builder', part: 'attacker', builtBy: 'bootstrapper' },
  { domid: 6, label: 'blkback', part: 'victim', builtBy: 'builder' },
  { domid: 8, label: 'netback', part: 'victim', builtBy: 'builder' },
  { domid: 20, label: 'qemu', part: 'victim', builtBy: 'builder' },
  { domid: 17, label: 'guest', part: 'victim', builtBy: 'builder' },
  { domid: 22, label: 'guest', part: 'victim', builtBy: 'builder', emulatedBy: 10 },
  { domid: 23, label: 'guest', part: 'victim', builtBy: 'builder', emulatedBy: 20 },
  { domid: 11, label: 'blkback', part: 'expendable', builtBy: 'builder' },
  { domid: 12, label: 'netback', part: 'expendable', builtBy: 'builder' },
  { domid: 13, label: 'toolstack', part: 'expendable', builtBy: 'builder' },
  { domid: 21, label: 'qemu', part: 'expendable', builtBy: 'builder' },
  { domid: 14, label: 'xenstore-logic', part: 'expendable', builtBy: 'builder' },
  { domid: 18, label: 'guest', part: 'expendable', builtBy: 'builder' },
  { domid: 9, label: 'toolstack', part: 'attacker', builtBy: 'builder' },
  { domid: 5, label: 'blkback', part: 'attacker', builtBy: 'builder' },
  { domid: 7, label: 'netback', part: 'attacker', builtBy: 'builder' },
  { domid: 10, label: 'qemu', part: 'attacker', builtBy: 'builder' },
  { domid: 16, label: 'guest', part: 'attacker', builtBy: 'builder' },
];

export const vmOf = (label: Label, part: Vm['part']): Vm | undefined =>
  vms.find((vm) => vm.label === label && vm.part === part);
export const attackerOf = (label: Label): Vm => vmOf(label, 'attacker')!;
export const BUILDER = attackerOf('builder');
export const PCIBACK = attackerOf('pciback');
export const TOOLSTACK = attackerOf('toolstack');
export const XENSTORE_LOGIC = attackerOf('xenstore-logic');
export const GUEST_VICTIM = vmOf('guest', 'victim')!;

/** Where an attack is aimed: at other VMs, at those and oneself, at a label, or at the host as a whole. */
type Aim = 'others' | 'everyone' | 'label' | 'host';

/** What an emulator does to its guest, or may want to: there is nothing of it in a PV domain. */
export const emulations = {
  'take-requests': 'others',
  'map-requests': 'others',
  'raise-isa': 'others',
  'raise-pci': 'others',
  'raise-msi': 'others',
  'raise-fault': 'others',
  'move-memory': 'others',
  'read-parameter': 'others',
  'write-parameter': 'others',
} as const satisfies Record<string, Aim>;

/** With the emulators' libraries, on domains of any kind. */
export const intrusions = { 'map-grants': 'others', 'reset-channels': 'others' } as const satisfies Record<string, Aim>;

/** In the order in which they are tried on one target: what ends a VM comes last. */
export const attacks = {
  'phys-info': 'host',
  'xen-messages': 'host',
  'context-to-sid': 'host',
  'sid-to-context': 'host',
  create: 'label',
  list: 'others',
  'map-read': 'others',
  'map-write': 'others',
  'grant-console': 'others',
  'grant-store': 'others',
  'bind-ports': 'others',
  'offer-channel': 'others',
  'channel-inside': 'others',
  'channel-for-third': 'others',
  'virq-handler': 'everyone',
  'map-gsi': 'everyone',
  'irq-permission': 'everyone',
  'iomem-permission': 'everyone',
  'ioport-permission': 'everyone',
  'pci-assign': 'everyone',
  build: 'others',
  'max-mem': 'others',
  pause: 'others',
  unpause: 'others',
  'power-button': 'others',
  ...emulations,
  ...intrusions,
  relabel: 'everyone',
  shutdown: 'others',
  destroy: 'others',
} as const satisfies Record<string, Aim>;

export type AttackName = keyof typeof attacks;

export const runs = ({ part, emulatedBy }: Vm): boolean => part !== 'expendable' && emulatedBy === undefined;

export interface Attempt {
  readonly attack: AttackName;
  readonly target: Vm | Label | 'host';
}

export type Actor = Label;

/** As it is written in the log. */
export const targetName = (target: Attempt['target']): string =>
  typeof target === 'string' ? target : String(target.domid);

/** The VM that attacks under a label. PCIBack attacks twice: as itself, and after it has been retired. */
export const domidOf = (actor: Actor): number =>
  actor === 'bootstrapper' ? 0 : actor === 'pciback-retired' ? PCIBACK.domid : attackerOf(actor).domid;

/** The one guest over which a Qemu VM has rights. */
export const isOwnGuest = (actor: Actor, { emulatedBy }: Vm): boolean => emulatedBy === domidOf(actor);

/** Builder may do to it what it likes: it does so to another one of the kind. */
const mayBeBuiltAgain = ({ label }: Vm): boolean => vmOf(label, 'expendable') !== undefined;

/**
 * Bootstrapper attacks before the rest is there; Builder attacks those it may not touch, and the expendable ones; the others
 * attack one VM of each kind, the victim where there is one, and themselves.
 */
function targetsOf(actor: Actor): readonly Vm[] {
  if (actor === 'bootstrapper') return vms.filter((vm) => vm.builtBy === 'bootstrapper');
  if (actor === 'builder')
    return vms.filter((vm) => vm.part === 'expendable' || (vm.builtBy === 'bootstrapper' && !mayBeBuiltAgain(vm)));
  return vms.filter(
    (vm) =>
      vm.part === 'victim' || (vm.part === 'attacker' && (!vmOf(vm.label, 'victim') || vm.domid === domidOf(actor))),
  );
}

/**
 * Those to whom PCIBack may give a device, and one guest to whom it may not: without an IOMMU Xen assigns no device to a domain,
 * and does not even ask the policy. Not all, because an IOMMU makes a PV domain slow to start.
 */
export const hasIommu = ({ label, part, emulatedBy }: Vm): boolean =>
  label === 'pciback' ||
  (part === 'victim' && emulatedBy === undefined && ['blkback', 'netback', 'guest'].includes(label));

/**
 * Rights that the two builders use in every run of the suite; used once more as an attack they would upset it. The test
 * requires that each of these is a right, so that nothing that must be refused is left out here.
 */
export function isShownByTheBoot(actor: Actor, { attack, target }: Attempt): boolean {
  const builds = (label: Label) => vms.some((vm) => vm.label === label && vm.builtBy === actor);
  if (actor === 'bootstrapper') {
    return attack === 'unpause' || attack === 'build' || (attack === 'create' && builds(target as Label));
  }
  return actor === 'builder' && attack === 'build' && (target as Vm).part === 'expendable';
}

export function everyAttemptOf(actor: Actor): Attempt[] {
  const self = domidOf(actor);
  const names = Object.keys(attacks) as AttackName[];
  const aimedAt = (...aims: Aim[]) => names.filter((name) => aims.includes(attacks[name]));
  const on = (target: Attempt['target'], attackNames: AttackName[]): Attempt[] =>
    attackNames.map((attack) => ({ attack, target }));
  const targets = targetsOf(actor);
  return [
    ...on('host', aimedAt('host')),
    ...labels.flatMap((label) => on(label, aimedAt('label'))),
    ...targets.filter((vm) => vm.domid === self).flatMap((vm) => on(vm, aimedAt('everyone'))),
    ...targets.filter((vm) => vm.domid !== self).flatMap((vm) => on(vm, aimedAt('others', 'everyone'))),
  ];
}

export const attemptsOf = (actor: Actor): Attempt[] =>
  everyAttemptOf(actor).filter((attempt) => !isShownByTheBoot(actor, attempt));

/** What a guest tries where the policy is not enforced: on one victim, for there are no others. */
export const permissiveAttempts = (): Attempt[] =>
  attemptsOf('guest').filter(({ target }) => typeof target === 'string' || target === GUEST_VICTIM);
