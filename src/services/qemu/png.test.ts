import { crc32, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PngWriter } from './png.ts';

/** Reads what the writer wrote, by Node's own inflate. */
function decode(file: Uint8Array): { width: number; height: number; rows: Uint8Array[] } {
  expect([...file.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const data: Uint8Array[] = [];
  let [width, height, at] = [0, 0, 8];
  for (let name = ''; name !== 'IEND'; ) {
    const length = view.getUint32(at);
    name = String.fromCharCode(...file.subarray(at + 4, at + 8));
    const body = file.subarray(at + 8, at + 8 + length);
    expect(view.getUint32(at + 8 + length)).toBe(crc32(file.subarray(at + 4, at + 8 + length)));
    if (name === 'IHDR') [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (name === 'IDAT') data.push(body);
    at += length + 12;
  }
  expect(at).toBe(file.length);
  const raw = inflateSync(Buffer.concat(data));
  const bytes = width * 3 + 1;
  expect(raw.length).toBe(height * bytes);
  const rows = Array.from({ length: height }, (_, row) => raw.subarray(row * bytes, (row + 1) * bytes));
  expect(rows.every((row) => row[0] === 0)).toBe(true);
  return { width, height, rows: rows.map((row) => Uint8Array.from(row.subarray(1))) };
}

function encode(width: number, rows: readonly Uint8Array[]): Uint8Array {
  const writer = new PngWriter(width, rows.length);
  for (const row of rows) writer.row(row);
  return Uint8Array.from(Buffer.concat(writer.end()));
}

describe('PngWriter', () => {
  it('any picture is read back as it was', () => {
    const pixel = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255));
    const row = fc.array(fc.tuple(pixel, fc.integer({ min: 1, max: 700 })), { minLength: 1, maxLength: 12 });
    const picture = fc.array(row, { minLength: 1, maxLength: 6 }).map((runs) => {
      const rows = runs.map((list) => list.flatMap(([colour, length]) => Array(length).fill(colour).flat()));
      const width = Math.min(...rows.map((bytes) => bytes.length)) / 3;
      return { width, rows: rows.map((bytes) => Uint8Array.from(bytes.slice(0, width * 3))) };
    });
    fc.assert(
      fc.property(picture, ({ width, rows }) => {
        expect(decode(encode(width, rows))).toEqual({ width, height: rows.length, rows });
      }),
      { numRuns: 40 },
    );
  });

  it('noise becomes hardly longer than it was, whatever the width', () => {
    for (const width of [1, 2, 1280, 30_000]) {
      const rows = [0, 1].map((seed) =>
        Uint8Array.from({ length: width * 3 }, (_, at) => (at * 7919 + seed * 13) % 251),
      );
      const file = encode(width, rows);
      expect(decode(file).rows).toEqual(rows);
      expect(file.length).toBeLessThan(width * 6 + 200);
    }
  });

  it('a screen of text becomes small', () => {
    const rows = Array.from({ length: 400 }, (_, y) =>
      Uint8Array.from({ length: 720 * 3 }, (_, at) => (y < 40 && Math.floor(at / 24) % 3 === 0 ? 0xa8 : 0)),
    );
    expect(encode(720, rows).length).toBeLessThan(40_000);
  });
});
