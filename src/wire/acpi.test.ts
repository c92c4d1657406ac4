/** The tables are read here as an operating system reads them: from the RSDP on, by addresses. */
import { describe, expect, it } from 'vitest';
import { ACPI_ADDRESS, ACPI_BYTES_MAX, acpiTables, VCPUS_MAX } from './acpi.ts';

const counts = Array.from({ length: VCPUS_MAX }, (_, index) => index + 1);
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

class Memory {
  constructor(
    private readonly address: number,
    private readonly bytes: Uint8Array,
  ) {}

  at(address: number, length: number): Uint8Array {
    const start = address - this.address;
    if (start < 0 || start + length > this.bytes.length) throw new RangeError(`${address.toString(16)} is not mapped`);
    return this.bytes.subarray(start, start + length);
  }

  table(address: number): { signature: string; bytes: Uint8Array; view: DataView } {
    const length = viewOf(this.at(address, 8)).getUint32(4, true);
    const bytes = this.at(address, length);
    if (sum(bytes) !== 0) throw new Error(`table at ${address.toString(16)}: wrong checksum`);
    return { signature: text(bytes.subarray(0, 4)), bytes, view: viewOf(bytes) };
  }
}

function readTables(address: number, vcpus: number) {
  const bytes = acpiTables(address, vcpus);
  const memory = new Memory(address, bytes);
  const rsdp = memory.at(address, 36);
  const xsdt = memory.table(Number(viewOf(rsdp).getBigUint64(24, true)));
  const entries = Array.from({ length: (xsdt.bytes.length - 36) / 8 }, (_, index) =>
    memory.table(Number(xsdt.view.getBigUint64(36 + index * 8, true))),
  );
  const found = (signature: string) => entries.find((entry) => entry.signature === signature)!;
  const dsdt = memory.table(Number(found('FACP').view.getBigUint64(140, true)));
  return { bytes, rsdp, xsdt, fadt: found('FACP'), madt: found('APIC'), dsdt };
}

describe.each(counts)('acpiTables() for %i processors', (vcpus) => {
  const { bytes, rsdp, xsdt, fadt, madt, dsdt } = readTables(ACPI_ADDRESS, vcpus);

  it('begin with a RSDP, lead to every table, and fit into a page', () => {
    expect(bytes.length).toBeLessThanOrEqual(ACPI_BYTES_MAX);
    expect(text(rsdp.subarray(0, 8))).toBe('RSD PTR ');
    expect([sum(rsdp), sum(rsdp.subarray(0, 20))]).toEqual([0, 0]);
    expect([xsdt, fadt, madt, dsdt].map(({ signature }) => signature)).toEqual(['XSDT', 'FACP', 'APIC', 'DSDT']);
  });

  it('list each processor once, enabled, with the APIC number that Xen gives it', () => {
    expect(madt.view.getUint32(36, true)).toBe(0xfee00000);
    const entries = Array.from({ length: (madt.bytes.length - 44) / 8 }, (_, index) => [
      ...madt.bytes.subarray(44 + index * 8, 52 + index * 8),
    ]);
    expect(entries).toEqual(Array.from({ length: vcpus }, (_, vcpu) => [0, 8, vcpu, vcpu * 2, 1, 0, 0, 0]));
  });

  it('say that there are no fixed registers, no screen, no keyboard controller and no clock of a PC', () => {
    expect(fadt.view.getUint32(112, true) & (1 << 20)).not.toBe(0);
    expect(fadt.view.getUint16(109, true)).toBe(0b100100);
    expect(fadt.view.getUint32(40, true)).toBe(Number(fadt.view.getBigUint64(140, true)));
  });
});

describe('acpiTables()', () => {
  it('are the same wherever they lie, but for addresses and checksums', () => {
    for (const address of [0, 0xe0000, 0xf0000010, 2 ** 32 - ACPI_BYTES_MAX]) {
      const { madt, dsdt } = readTables(address, 3);
      const usual = readTables(ACPI_ADDRESS, 3);
      expect([madt.bytes, dsdt.bytes]).toEqual([usual.madt.bytes, usual.dsdt.bytes]);
    }
  });

  it.each([0, -1, 1.5, VCPUS_MAX + 1, Number.NaN])('refuse %d processors', (vcpus) => {
    expect(() => acpiTables(ACPI_ADDRESS, vcpus)).toThrow(RangeError);
  });

  it.each([-16, 8, 2 ** 32 - 16, 0.5])('refuse address %d', (address) => {
    expect(() => acpiTables(address, 1)).toThrow(RangeError);
  });
});
