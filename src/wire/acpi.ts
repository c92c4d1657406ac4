/**
 * The ACPI tables of a PVH guest: what tells its kernel how many processors there are, and that of a PC's other hardware there is none. A RSDP, and
 * behind it XSDT, FADT, MADT and a DSDT that describes no device, in one page.
 *
 * @source ACPI 5.0, chapter 5.2; Xen tools/libacpi, which gives guests the same and, in its DSDT, processor objects that Linux does without
 */

/** Where libxl has them. Among the devices of a PC, so never memory. */
export const ACPI_ADDRESS = 0xfc000000;
/** One page. */
export const ACPI_BYTES_MAX = 4096;
export const VCPUS_MAX = 32;

const RSDP_BYTES = 36;
/** Of those, what ACPI 1.0 knew and has a checksum of its own for. */
const RSDP_OLD_BYTES = 20;
const HEADER_BYTES = 36;
const ALIGNMENT = 16;

const FADT_BYTES = 268;
const FADT_REVISION = 5;
/** WBINVD works. No timer, no buttons, no fixed registers at all: hardware-reduced ACPI. */
const FADT_FLAGS = (1 << 0) | (1 << 20);
/** No VGA, no CMOS clock. (And no keyboard controller, no ISA devices: bits 1 and 0 would be set.) */
const FADT_BOOT_FLAGS = (1 << 2) | (1 << 5);

const LOCAL_APIC_ADDRESS = 0xfee00000;
const LOCAL_APIC = 0;
const LOCAL_APIC_BYTES = 8;
const ENABLED = 1;
/** @source Xen 4.17 tools/libs/guest/xg_cpuid_x86.c and xen/arch/x86/hvm/vlapic.c, vlapic_reset */
const apicId = (vcpu: number): number => vcpu * 2;

const encoder = new TextEncoder();

/** The tables of a guest with `vcpus` processors, for the address at which they will lie: a multiple of 16, below 4 GiB. */
export function acpiTables(address: number, vcpus: number): Uint8Array {
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > VCPUS_MAX) throw new RangeError(`${vcpus} processors`);
  if (!Number.isInteger(address) || address % ALIGNMENT !== 0 || address < 0 || address > 2 ** 32 - ACPI_BYTES_MAX)
    throw new RangeError(`ACPI tables at ${address}`);
  const page = new Page(address);
  const rsdp = page.reserve(RSDP_BYTES);
  const dsdt = page.put(dsdtTable());
  const fadt = page.put(fadtTable(dsdt));
  const madt = page.put(madtTable(vcpus));
  writeRsdp(rsdp, page.put(xsdtTable([fadt, madt])));
  return page.contents();
}

/** Tables behind each other, each at an address that firmware could have given it. */
class Page {
  private readonly bytes = new Uint8Array(ACPI_BYTES_MAX);
  private end = 0;

  constructor(private readonly address: number) {}

  reserve(length: number): Uint8Array {
    const start = this.end;
    this.end = Math.ceil((start + length) / ALIGNMENT) * ALIGNMENT;
    return this.bytes.subarray(start, start + length);
  }

  /** Returns the address. */
  put(table: Uint8Array): number {
    const place = this.reserve(table.length);
    place.set(table);
    return this.address + place.byteOffset;
  }

  contents(): Uint8Array {
    return this.bytes.slice(0, this.end);
  }
}

function writeRsdp(bytes: Uint8Array, xsdt: number): void {
  const view = viewOf(bytes);
  bytes.set(encoder.encode('RSD PTR '), 0);
  bytes.set(encoder.encode('Ennead'), 9);
  view.setUint8(15, 2);
  view.setUint32(20, RSDP_BYTES, true);
  view.setBigUint64(24, BigInt(xsdt), true);
  bytes[8] = complement(bytes.subarray(0, RSDP_OLD_BYTES));
  bytes[32] = complement(bytes);
}

function xsdtTable(tables: readonly number[]): Uint8Array {
  return table('XSDT', 1, HEADER_BYTES + tables.length * 8, (view) => {
    for (const [index, at] of tables.entries()) view.setBigUint64(HEADER_BYTES + index * 8, BigInt(at), true);
  });
}

function fadtTable(dsdt: number): Uint8Array {
  return table('FACP', FADT_REVISION, FADT_BYTES, (view) => {
    view.setUint32(40, dsdt, true);
    view.setUint16(109, FADT_BOOT_FLAGS, true);
    view.setUint32(112, FADT_FLAGS, true);
    view.setBigUint64(140, BigInt(dsdt), true);
  });
}

function madtTable(vcpus: number): Uint8Array {
  const start = HEADER_BYTES + 8;
  return table('APIC', 3, start + vcpus * LOCAL_APIC_BYTES, (view) => {
    view.setUint32(HEADER_BYTES, LOCAL_APIC_ADDRESS, true);
    for (let vcpu = 0; vcpu < vcpus; vcpu += 1) {
      const at = start + vcpu * LOCAL_APIC_BYTES;
      view.setUint8(at, LOCAL_APIC);
      view.setUint8(at + 1, LOCAL_APIC_BYTES);
      view.setUint8(at + 2, vcpu);
      view.setUint8(at + 3, apicId(vcpu));
      view.setUint32(at + 4, ENABLED, true);
    }
  });
}

const dsdtTable = (): Uint8Array => table('DSDT', 2, HEADER_BYTES, () => {});

function table(signature: string, revision: number, length: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  bytes.set(encoder.encode(signature), 0);
  view.setUint32(4, length, true);
  view.setUint8(8, revision);
  bytes.set(encoder.encode('Ennead'), 10);
  bytes.set(encoder.encode('PVH     '), 16);
  view.setUint32(24, 1, true);
  bytes.set(encoder.encode('ENND'), 28);
  view.setUint32(32, 1, true);
  write(view);
  bytes[9] = complement(bytes);
  return bytes;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** With it, all bytes add up to 0. */
const complement = (bytes: Uint8Array): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
