/**
 * The labels of Xen's FLASK policy. Whoever creates or relabels a domain takes its context from here,
 * so that a later policy with categories per guest changes one function.
 */

/** Domain types that a creator may name. Bootstrapper keeps the type that Xen gives to domain 0. */
export const domainTypes = {
  bootstrapper: 'dom0_t',
  pciback: 'pciback_t',
  'pciback-retired': 'pciback_retired_t',
  'xenstore-state': 'xenstore_state_t',
  'xenstore-logic': 'xenstore_logic_t',
  builder: 'builder_t',
  toolstack: 'toolstack_t',
  blkback: 'blkback_t',
  netback: 'netback_t',
  qemu: 'qemu_t',
  guest: 'guest_t',
} as const;

export type LabelledDomain = keyof typeof domainTypes;
export type DomainType = (typeof domainTypes)[LabelledDomain];

/** `contextOf('guest_t')` is `system_u:system_r:guest_t`. The policy is compiled without MLS levels. */
export const contextOf = <T extends string>(type: T): `system_u:system_r:${T}` => `system_u:system_r:${type}`;
