/**
 * All that the attacks may achieve: whatever the manifests say, a right that is not in this table fails the suite. Each stands for
 * an entry of a manifest; docs/policy.md gives its reason.
 */
import type { AttackName, Label } from './plan.ts';

type Rights = Partial<Record<AttackName, readonly (Label | 'own-guest' | 'host')[]>>;

const builtByBootstrapper: readonly Label[] = ['pciback', 'xenstore-state', 'xenstore-logic', 'builder'];
const builtByBuilder: readonly Label[] = ['toolstack', 'blkback', 'netback', 'qemu', 'guest'];
/** When it has ended. */
const builtAgainByBuilder: readonly Label[] = ['xenstore-logic'];
const drivers: readonly Label[] = ['blkback', 'netback'];
const everyoneBut = (label: Label): Label[] =>
  [...builtByBootstrapper, ...builtByBuilder].filter((one) => one !== label);

export const rights: Readonly<Record<Label, Rights>> = {
  bootstrapper: {
    'phys-info': ['host'],
    'context-to-sid': ['host'],
    'sid-to-context': ['host'],
    create: builtByBootstrapper,
    list: builtByBootstrapper,
    'map-read': builtByBootstrapper,
    'map-write': builtByBootstrapper,
    'map-grants': builtByBootstrapper,
    build: builtByBootstrapper,
    'max-mem': builtByBootstrapper,
    unpause: builtByBootstrapper,
    'channel-for-third': builtByBootstrapper,
    'virq-handler': ['xenstore-logic'],
  },
  pciback: {
    'map-gsi': ['pciback', ...drivers],
    'irq-permission': ['pciback', ...drivers],
    'iomem-permission': ['pciback', ...drivers],
    'ioport-permission': ['pciback', ...drivers],
    'pci-assign': drivers,
    list: drivers,
    'offer-channel': ['xenstore-logic', 'builder', ...drivers],
    'bind-ports': ['builder'],
  },
  'pciback-retired': {},
  'xenstore-state': { 'offer-channel': ['xenstore-logic'] },
  'xenstore-logic': {
    list: everyoneBut('xenstore-logic'),
    'grant-store': everyoneBut('xenstore-logic'),
    'offer-channel': everyoneBut('xenstore-logic'),
  },
  builder: {
    'phys-info': ['host'],
    'context-to-sid': ['host'],
    'sid-to-context': ['host'],
    create: [...builtByBuilder, ...builtAgainByBuilder],
    list: everyoneBut('builder'),
    'map-read': [...builtByBuilder, ...builtAgainByBuilder],
    'map-write': [...builtByBuilder, ...builtAgainByBuilder],
    'map-grants': [...builtByBuilder, ...builtAgainByBuilder],
    build: [...builtByBuilder, ...builtAgainByBuilder],
    'max-mem': [...builtByBuilder, ...builtAgainByBuilder],
    pause: ['pciback', ...builtByBuilder],
    unpause: ['pciback', ...builtByBuilder, ...builtAgainByBuilder],
    shutdown: builtByBuilder,
    destroy: [...builtByBuilder, ...builtAgainByBuilder],
    'virq-handler': builtAgainByBuilder,
    'offer-channel': ['xenstore-logic', 'toolstack', 'pciback'],
    // Both ends are allowed to it: it builds Toolstack, and talks with it.
    'channel-inside': ['toolstack'],
    'channel-for-third': builtByBuilder,
  },
  toolstack: {
    'phys-info': ['host'],
    'xen-messages': ['host'],
    'context-to-sid': ['host'],
    'sid-to-context': ['host'],
    list: everyoneBut('toolstack'),
    'offer-channel': ['xenstore-logic', 'builder', ...drivers, 'qemu', 'guest'],
    'grant-console': ['guest'],
  },
  blkback: { 'offer-channel': ['pciback', 'xenstore-logic', 'toolstack', 'qemu', 'guest'] },
  netback: { 'offer-channel': ['pciback', 'xenstore-logic', 'toolstack', 'qemu', 'guest'] },
  qemu: {
    'offer-channel': ['xenstore-logic', 'toolstack', ...drivers, 'own-guest'],
    'map-read': ['own-guest'],
    'map-write': ['own-guest'],
    'channel-inside': ['own-guest'],
    // With labels that the guest could use as well.
    'channel-for-third': ['own-guest'],
    'take-requests': ['own-guest'],
    'map-requests': ['own-guest'],
    'map-grants': ['own-guest'],
    'raise-isa': ['own-guest'],
    'raise-pci': ['own-guest'],
    'raise-msi': ['own-guest'],
    'raise-fault': ['own-guest'],
  },
  // To a Qemu VM that is not its own, too: that one may not bind it.
  guest: { 'offer-channel': ['xenstore-logic', 'toolstack', ...drivers, 'qemu'] },
};
