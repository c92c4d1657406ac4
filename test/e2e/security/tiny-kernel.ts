/**
 * The smallest file that Xen's domain builder takes for a PV kernel: a hostile VM that tries to build another one needs a
 * kernel, and has no room for a real one. Nothing ever runs it.
 * @source xen public/elfnote.h, System V ABI (ELF-64)
 */

const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PT_LOAD = 1;
const PT_NOTE = 4;
const READ_WRITE_EXECUTE = 7;
const LOAD_ADDRESS = 0x100000n;

const NOTE = { entry: 1, virtBase: 3, xenVersion: 5, guestOs: 6, loader: 8, paeMode: 9 } as const;

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);

function note(type: number, value: string | bigint): Buffer {
  const description = typeof value === 'string' ? Buffer.from(`${value}\0`) : Buffer.alloc(8);
  if (typeof value === 'bigint') description.writeBigUInt64LE(value);
  const header = Buffer.alloc(12);
  header.writeUInt32LE(4, 0);
  header.writeUInt32LE(description.length, 4);
  header.writeUInt32LE(type, 8);
  return Buffer.concat([header, Buffer.from('Xen\0'), padded(description)]);
}

function programHeader(type: number, offset: number, address: bigint, length: number): Buffer {
  const header = Buffer.alloc(PROGRAM_HEADER_BYTES);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(READ_WRITE_EXECUTE, 4);
  header.writeBigUInt64LE(BigInt(offset), 8);
  header.writeBigUInt64LE(address, 16);
  header.writeBigUInt64LE(address, 24);
  header.writeBigUInt64LE(BigInt(length), 32);
  header.writeBigUInt64LE(BigInt(length), 40);
  header.writeBigUInt64LE(4n, 48);
  return header;
}

function elfHeader(programHeaders: number): Buffer {
  const header = Buffer.alloc(ELF_HEADER_BYTES);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  header.writeUInt16LE(2, 16); // an executable
  header.writeUInt16LE(62, 18); // for x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(LOAD_ADDRESS, 24);
  header.writeBigUInt64LE(BigInt(ELF_HEADER_BYTES), 32);
  header.writeUInt16LE(ELF_HEADER_BYTES, 52);
  header.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  header.writeUInt16LE(programHeaders, 56);
  header.writeUInt16LE(64, 58); // the size of a section header, of which there are none
  return header;
}

export function tinyKernel(): Buffer {
  const notes = Buffer.concat([
    note(NOTE.guestOs, 'linux'),
    note(NOTE.loader, 'generic'),
    note(NOTE.xenVersion, 'xen-3.0'),
    note(NOTE.paeMode, 'yes'),
    note(NOTE.virtBase, 0n),
    note(NOTE.entry, LOAD_ADDRESS),
  ]);
  const notesAt = ELF_HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES;
  return Buffer.concat([
    elfHeader(2),
    programHeader(PT_LOAD, notesAt, LOAD_ADDRESS, notes.length),
    programHeader(PT_NOTE, notesAt, LOAD_ADDRESS, notes.length),
    notes,
  ]);
}
