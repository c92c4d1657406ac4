/** What people read: tables, sizes, times. */
import type { ServiceStatus, TrustRecord } from '../contracts/builder.ts';
import { FIRST_GUEST_DOMID } from '../contracts/domids.ts';
import type { DomainRow, HostReport, StoreQuota } from '../contracts/toolstack.ts';
import type { Volume } from '../contracts/volumes.ts';
import { limitNames, limits as storeLimits } from '../contracts/xenstore-limits.ts';

/** As `xl list` prints it. */
export function domainTable(rows: readonly DomainRow[]): string {
  const lines = rows.map(
    ({ name, domid, memoryMib, vcpus, flags, timeSeconds }) =>
      `${name.padEnd(40)} ${cell(domid, 5)} ${cell(memoryMib, 5)} ${cell(vcpus, 5)}     ${flags}  ${cell(timeSeconds.toFixed(1), 8)}`,
  );
  return `${['Name                                        ID   Mem VCPUs\tState\tTime(s)', ...lines].join('\n')}\n`;
}

export function serviceTable(services: readonly ServiceStatus[]): string {
  const rows = services.map(({ name, domid, memoryMib, state, upSince, resets, job }) => [
    name,
    domid === null ? '-' : String(domid),
    String(memoryMib),
    state,
    upSince === null ? '-' : upSince.replace(/\.\d+Z$/, 'Z'),
    String(resets),
    job,
  ]);
  return table(['Name', 'ID', 'Mem', 'State', 'Up since', 'Resets', 'Job'], rows);
}

export function volumeTable(volumes: readonly Volume[]): string {
  const rows = volumes.map(({ name, bytes, allocatedBytes, attachedTo }) => [
    name,
    sizeText(bytes),
    sizeText(allocatedBytes),
    attachedTo.join(',') || '-',
  ]);
  return table(['Name', 'Size', 'Used', 'Attached to'], rows);
}

export function quotaText({ limits, domains }: StoreQuota): string {
  const settings = limitNames.map((name) => [name, String(limits[name]), storeLimits[name].about]);
  const uses = domains.map(({ domid, nodes, watches, transactions, outstanding, memory, events }) =>
    [domid, nodes, watches, transactions, outstanding, memory, events].map(String),
  );
  const guests = domains.filter(({ domid }) => domid >= FIRST_GUEST_DOMID).map(({ memory }) => memory);
  const together = guests.reduce((sum, memory) => sum + memory, 0);
  return [
    table(['Limit', 'Value', 'For guests'], settings),
    table(['ID', 'Nodes', 'Watches', 'Transactions', 'Outstanding', 'Memory', 'Events'], uses),
    `All guests together have ${together} of ${limits['total-memory']} bytes of memory.\n`,
  ].join('\n');
}

export function trustText(records: readonly TrustRecord[]): string {
  return records
    .map(({ name, domid, role, label, parent, services, devices, memoryAccess }) =>
      [
        `${name} (domain ${domid}, ${role}, asked for by domain ${parent})`,
        `  label     ${label}`,
        `  services  ${services.join(', ') || '-'}`,
        `  devices   ${devices.join(', ') || '-'}`,
        ...memoryAccess.map(({ by, what, why }) => `  memory    domain ${by}: ${what} (${why})`),
      ].join('\n'),
    )
    .map((text) => `${text}\n`)
    .join('');
}

const DMA_ISOLATION = {
  iommu: 'yes (IOMMU)',
  none: 'no: there is no IOMMU; the driver VMs can reach all memory',
};

/** As `xl info` prints it. */
export function infoText(report: HostReport): string {
  const shown = { ...report, dma_isolation: DMA_ISOLATION[report.dma_isolation] };
  return Object.entries(shown)
    .map(([key, value]) => `${key.padEnd(22)} : ${value}\n`)
    .join('');
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((text, column) => text.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  return `${[header, ...rows].map(line).join('\n')}\n`;
}

const cell = (value: string | number, width: number): string => String(value).padStart(width);

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function sizeText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** power;
  return `${Number.isInteger(amount) ? amount : amount.toFixed(1)} ${UNITS[power]}`;
}

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `512M`, `4G`, `4GiB`, `1048576`: bytes; null: not a size. */
export function parseSize(text: string): number | null {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  const bytes = Number(digits) * FACTORS[(unit ?? '').toLowerCase()]!;
  return Number.isInteger(bytes) ? bytes : null;
}
