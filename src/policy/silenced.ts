/**
 * Refusals that are normal: Linux tries, does without, and would only fill the log. They stay refused; Xen just does not report them.
 */
import type { DomainName } from '../kit/manifest.ts';

export interface Silenced {
  readonly who: readonly DomainName[] | 'everyone';
  readonly on: string;
  readonly class: string;
  readonly permissions: string;
  readonly why: string;
}

export const silenced: readonly Silenced[] = [
  {
    who: 'everyone',
    on: 'xen_t',
    class: 'version',
    permissions: 'xen_commandline xen_build_id',
    why: 'read by sysfs, for show',
  },
  {
    who: ['guest'],
    on: 'xen_t',
    class: 'xen',
    permissions: 'writeconsole',
    why: 'early console output; a guest could flood the serial line',
  },
  {
    who: ['guest'],
    on: 'guest_self_t',
    class: 'mmu',
    permissions: 'memorymap',
    why: 'a guest of type pvh, its PV GRUB most likely, would change the memory map that Xen keeps for it; it boots without that',
  },
  {
    who: ['bootstrapper', 'pciback'],
    on: 'xen_t',
    class: 'xen',
    permissions: 'readconsole firmware settime getcpuinfo',
    why: 'the kernel of an initial domain polls the serial line, reads disk geometry and sets the clock',
  },
  {
    who: ['bootstrapper'],
    on: 'device_t',
    class: 'resource',
    permissions: 'use_iommu use_iommu_nointremap use_noiommu',
    why: 'early processor quirks look for a north bridge in configuration space even with pci=off',
  },
];
