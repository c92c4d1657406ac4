import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  counter,
  DecodeError,
  decode,
  encode,
  flag,
  list,
  nullable,
  struct,
  text,
  u8,
  u16,
  u32,
  word,
} from './binary.ts';

const everything = struct({
  small: u8,
  middle: u16,
  large: u32,
  huge: counter,
  yes: flag,
  name: text,
  raw: bytes,
  kind: word(['a', 'b']),
  many: list(u16),
  maybe: nullable(text),
});

describe('encode()', () => {
  it('writes little-endian, lengths first, nothing between', () => {
    const value = {
      small: 1,
      middle: 0x0203,
      large: 0x04050607,
      huge: 2 ** 33 + 1,
      yes: true,
      name: 'ab',
      raw: Uint8Array.of(9),
      kind: 'b' as const,
      many: [1, 2],
      maybe: null,
    };
    // biome-ignore format: one line for each field
    const golden = [
      1,
      3, 2,
      7, 6, 5, 4,
      1, 0, 0, 0, 2, 0, 0, 0,
      1,
      2, 0, 0, 0, 97, 98,
      1, 0, 0, 0, 9,
      1,
      2, 0, 0, 0, 1, 0, 2, 0,
      0,
    ];
    expect([...encode(everything, value)]).toEqual(golden);
    expect(decode(everything, Uint8Array.from(golden))).toEqual(value);
  });

  it('and decode() are inverse, beyond the first buffer too', () => {
    const value = fc.record({
      small: fc.nat(255),
      middle: fc.nat(0xffff),
      large: fc.nat(0xffffffff),
      huge: fc.maxSafeNat(),
      yes: fc.boolean(),
      name: fc.string({ maxLength: 400 }),
      raw: fc.uint8Array({ maxLength: 400 }),
      kind: fc.constantFrom('a' as const, 'b' as const),
      many: fc.array(fc.nat(0xffff), { maxLength: 200 }),
      maybe: fc.option(fc.string()),
    });
    fc.assert(
      fc.property(value, (sent) => {
        expect(decode(everything, encode(everything, sent))).toEqual(sent);
      }),
    );
  });
});

describe('decode() refuses', () => {
  it.each([
    ['too few bytes', u32, [1, 2, 3]],
    ['bytes left over', u8, [1, 2]],
    ['a flag that is neither', flag, [2]],
    ['a word beyond the list', word(['a']), [1]],
    ['a length beyond the message', bytes, [255, 255, 255, 255, 1]],
    ['a list longer than the message', list(u8), [255, 255, 255, 255, 1]],
    ['a counter beyond 2^53', counter, [0, 0, 0, 0, 0, 0, 0x20, 0]],
  ])('%s', (_, codec, message) => {
    expect(() => decode(codec as typeof u8, Uint8Array.from(message))).toThrow(DecodeError);
  });

  it('any bytes at all with a DecodeError, never otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (message) => {
        try {
          decode(everything, message);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });
});
