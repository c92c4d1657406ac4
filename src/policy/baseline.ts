/** What every domain may do to itself and ask of Xen, because no kernel runs without it. */
import type { DomainName } from '../kit/manifest.ts';
import { selfTypeOf, typeOf } from './domains.ts';
import { type Grounds, rule } from './grounds.ts';

export const baseline = [
  {
    on: 'self',
    may: { mmu: 'map_read map_write adjust physmap stat pinpage updatemp mmuext_op' },
    why: 'manages its own page tables and its own memory',
  },
  { on: 'self', may: { grant: 'setup query' }, why: 'has a grant table' },
  { on: 'self', may: { domain2: 'get_vnumainfo' }, why: 'asks for its own memory layout' },
  {
    on: 'xen',
    may: { version: 'xen_extraversion xen_compile_info xen_capabilities xen_changeset xen_pagesize xen_guest_handle' },
    why: 'learns which Xen it runs on',
  },
] as const;

/** Service VMs alone: a guest could flood the host's serial line. */
export const serviceBaseline = [{ on: 'xen', may: { xen: 'writeconsole' }, why: 'logs to the serial line' }] as const;

/** Guests alone: service VMs are PV. */
export const guestBaseline = [
  {
    on: 'self',
    may: { hvm: 'getparam setparam' },
    why: 'hvmloader, the first program of an HVM guest, learns where its pages are and says where its tables are',
  },
] as const;

export function baselineGrounds(living: readonly DomainName[]): Grounds[] {
  return living.flatMap((name) =>
    [...baseline, ...(name === 'guest' ? guestBaseline : serviceBaseline)].map(({ on, may, why }) => ({
      by: name,
      why,
      rules: Object.entries(may).map(([className, permissions]) =>
        rule(typeOf(name), on === 'self' ? selfTypeOf(name) : 'xen_t', className, permissions),
      ),
    })),
  );
}
