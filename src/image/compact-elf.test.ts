import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compactElf, ElfError } from './compact-elf.ts';

interface Piece {
  readonly type: number;
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly memoryBytes: number;
}

/** An ELF file with its segments' bytes at large distances, as Linux's build leaves them. */
function elf(segments: readonly Piece[], distance = 100_000): Uint8Array {
  const file = new Uint8Array(64 + 56 * segments.length + distance * (segments.length + 1));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  view.setBigUint64(24, 0x200000n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  for (const [index, { type, address, bytes, memoryBytes }] of segments.entries()) {
    const at = 64 + 56 * index;
    const from = 64 + 56 * segments.length + distance * index;
    view.setUint32(at, type, true);
    for (const [offset, value] of [
      [8, from],
      [16, address],
      [24, address],
      [32, bytes.length],
      [40, memoryBytes],
    ] as const)
      view.setBigUint64(at + offset, BigInt(value), true);
    file.set(bytes, from);
  }
  return file;
}

/** What a domain builder makes of it: bytes copied, the rest of each segment cleared. */
function memoryOf(file: Uint8Array, length: number): { memory: Uint8Array; notes: Uint8Array[] } {
  const view = new DataView(file.buffer, file.byteOffset);
  const memory = new Uint8Array(length).fill(0xee);
  const notes = [];
  for (let index = 0; index < view.getUint16(56, true); index += 1) {
    const at = Number(view.getBigUint64(32, true)) + 56 * index;
    const [from, , address, size, memorySize] = [8, 16, 24, 32, 40].map((offset) =>
      Number(view.getBigUint64(at + offset, true)),
    );
    const bytes = file.subarray(from!, from! + size!);
    if (view.getUint32(at, true) === 4) notes.push(bytes);
    if (view.getUint32(at, true) !== 1) continue;
    memory.fill(0, address, address! + memorySize!);
    memory.set(bytes, address!);
  }
  return { memory, notes };
}

const run = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 3000 }),
  fc.integer({ min: 1, max: 20_000 }).map((length) => new Uint8Array(length)),
);
const content = fc.array(run, { maxLength: 5 }).map((runs) => Uint8Array.from(runs.flatMap((bytes) => [...bytes])));

describe('compactElf()', () => {
  it('leaves the memory as it was, in fewer bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(content, fc.nat(9000)), { minLength: 1, maxLength: 3 }), content, (loads, note) => {
        const segments = loads.map(([bytes, more], index) => ({
          type: 1,
          address: index * 110_000,
          bytes,
          memoryBytes: bytes.length + more,
        }));
        const file = elf([...segments, { type: 4, address: 0, bytes: note, memoryBytes: 0 }]);
        const compact = compactElf(file);
        const [before, after] = [file, compact].map((one) => memoryOf(one, 400_000));
        expect(after!.notes).toEqual(before!.notes);
        // A comparison element by element takes a second each.
        expect(Buffer.compare(after!.memory, before!.memory)).toBe(0);
        expect(compact.length).toBeLessThan(file.length);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps no run of a page of zeroes', () => {
    const bytes = new Uint8Array(50_000);
    bytes[0] = bytes[20_000] = bytes[49_999] = 1;
    expect(compactElf(elf([{ type: 1, address: 0, bytes, memoryBytes: 50_000 }])).length).toBeLessThan(500);
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['a text', new TextEncoder().encode('#!/bin/sh\n'.repeat(20))],
    [
      'a file that ends early',
      elf([{ type: 1, address: 0, bytes: new Uint8Array(900).fill(1), memoryBytes: 900 }]).subarray(0, 500),
    ],
  ])('refuses %s', (_, bytes) => {
    expect(() => compactElf(bytes)).toThrow(ElfError);
  });
});
