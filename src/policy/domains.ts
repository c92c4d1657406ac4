/** The domains that the policy knows, and the names of their types. */
import { domainTypes } from '../contracts/flask-contexts.ts';
import type { ChannelRight, DomainName, Manifest } from '../kit/manifest.ts';

export interface Domain {
  readonly name: DomainName;
  /** null: guests and the retired PCIBack are no services. */
  readonly manifest: Manifest | null;
  readonly channels: readonly ChannelRight[];
  /** False for the type that may do nothing at all: the retired PCIBack's. */
  readonly lives: boolean;
}

const guestChannels: readonly ChannelRight[] = [
  { peer: 'xenstore-logic', why: 'XenStore client' },
  { peer: 'toolstack', why: 'its console' },
  { peer: 'blkback', why: 'its disks' },
  { peer: 'netback', why: 'its network links' },
];

/** It opens none itself, and is told nothing: it is held. */
const retiredChannels: readonly ChannelRight[] = [
  { peer: 'xenstore-logic', why: 'its XenStore channel, which XenStore-Logic binds again when it has started again' },
];

export function domainsOf(manifests: readonly Manifest[]): Domain[] {
  return [
    ...manifests.map((manifest) => ({
      name: manifest.name,
      manifest,
      channels: manifest.channels,
      lives: true,
    })),
    { name: 'pciback-retired', manifest: null, channels: retiredChannels, lives: false },
    { name: 'guest', manifest: null, channels: guestChannels, lives: true },
  ];
}

export const typeOf = (name: DomainName): string => domainTypes[name];
/**
 * What a domain's operations on itself are checked against. A type of its own, so that a right over oneself is no right over
 * another domain of the same type: guests, and driver VMs, share theirs.
 */
export const selfTypeOf = (name: DomainName): string => typeOf(name).replace(/_t$/, '_self_t');
/** The label of event channels that the domain opens. */
export const channelTypeOf = (name: DomainName): string => typeOf(name).replace(/_t$/, '_channel_t');

/**
 * What a VM's operations on the guest that it emulates a PC for are checked against, in place of the guest's own type: Xen holds which guest that is.
 * @source xen/xsm/flask/hooks.c, domain_target_sid(), flask_set_target()
 */
export const targetTypeOf = (guest: DomainName): string => typeOf(guest).replace(/_t$/, '_target_t');
/** There is one pair of types: who may be made an emulator, and of what. */
export const EMULATOR: DomainName = 'qemu';
export const EMULATED: DomainName = 'guest';

/** Devices that no policy labels one by one: every PCI device, interrupt, I/O memory range and I/O port. */
export const deviceTypes = ['device_t', 'irq_t', 'iomem_t', 'ioport_t'] as const;
