/** PCI devices as Linux's sysfs shows them. */
import type { Controller } from '../../contracts/pci-handover.ts';
import type { Files } from '../../xen/ports.ts';

export const PCI_DEVICES = '/sys/bus/pci/devices';

const ATTRIBUTE_BYTES_MAX = 4096;

/** What of the machine a device answers to. */
export interface PciResources {
  readonly memory: readonly { readonly firstMfn: number; readonly count: number }[];
  readonly ports: readonly { readonly first: number; readonly count: number }[];
  /** The interrupt of its INTx pin; null: it has none. In the hardware domain Linux's number is the GSI. */
  readonly gsi: number | null;
}

export function attribute(files: Pick<Files, 'read'>, bdf: string, name: string): string {
  return new TextDecoder().decode(files.read(`${PCI_DEVICES}/${bdf}/${name}`, ATTRIBUTE_BYTES_MAX)).trim();
}

/** @source PCI Code and ID Assignment Specification, base classes */
const kinds: Readonly<Record<number, Controller['kind']>> = { 1: 'storage', 2: 'network' };

export function findControllers(files: Pick<Files, 'read' | 'list'>): Controller[] {
  return files.list(PCI_DEVICES).flatMap((bdf) => {
    const classCode = Number(attribute(files, bdf, 'class'));
    const kind = kinds[classCode >> 16];
    if (!kind) return [];
    const vendor = Number(attribute(files, bdf, 'vendor'));
    return [{ bdf, kind, classCode, vendor, device: Number(attribute(files, bdf, 'device')) }];
  });
}

/** Flags of a line of `resource`. @source Linux include/linux/ioport.h */
const IORESOURCE_IO = 0x100n;
const IORESOURCE_MEM = 0x200n;
/** Lines 0 to 5 are the base address registers; after them come the option ROM, which nobody needs, and bridges' windows. */
const BASE_ADDRESS_REGISTERS = 6;
const PAGE_SHIFT = 12n;

export function resourcesOf(files: Pick<Files, 'read'>, bdf: string): PciResources {
  const lines = attribute(files, bdf, 'resource').split('\n').slice(0, BASE_ADDRESS_REGISTERS);
  const memory: { firstMfn: number; count: number }[] = [];
  const ports: { first: number; count: number }[] = [];
  for (const line of lines) {
    const [start = 0n, end = 0n, flags = 0n] = line.trim().split(/\s+/).map(BigInt);
    if (start === 0n || end < start) continue;
    if (flags & IORESOURCE_IO) ports.push({ first: Number(start), count: Number(end - start) + 1 });
    else if (flags & IORESOURCE_MEM) {
      const first = start >> PAGE_SHIFT;
      memory.push({ firstMfn: Number(first), count: Number((end >> PAGE_SHIFT) - first) + 1 });
    }
  }
  const irq = Number(attribute(files, bdf, 'irq'));
  return { memory, ports, gsi: irq > 0 ? irq : null };
}

/** As Xen counts devices: segment, bus, slot and function in one number. */
export function sbdfOf(bdf: string): number {
  const [, segment, bus, slot, fn] = /^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/.exec(bdf) ?? [];
  if (!segment || !bus || !slot || !fn) throw new RangeError(`PCI address ${bdf}`);
  const hex = (digits: string): number => Number.parseInt(digits, 16);
  return hex(segment) * 0x10000 + ((hex(bus) << 8) | (hex(slot) << 3) | hex(fn));
}
