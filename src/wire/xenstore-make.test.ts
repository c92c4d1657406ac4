import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMake, encodeMake, type MadeNode } from './xenstore-make.ts';
import { encodeStrings, PAYLOAD_BYTES_MAX } from './xenstore-message.ts';

const text = fc.string({ maxLength: 40 }).filter((value) => !value.includes('\0'));
const node: fc.Arbitrary<MadeNode> = fc.record({
  path: text,
  value: text,
  permissions: fc.array(
    fc.record({
      domid: fc.nat(0x7fef),
      access: fc.constantFrom('none' as const, 'read' as const, 'write' as const, 'both' as const),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});

describe('the command make', () => {
  it('decodeMake() gives back in order what encodeMake() was given, in payloads that a message holds', () => {
    fc.assert(
      fc.property(fc.array(node, { maxLength: 200 }), (nodes) => {
        const payloads = encodeMake(nodes);
        for (const payload of payloads) expect(payload.length).toBeLessThanOrEqual(PAYLOAD_BYTES_MAX);
        expect(payloads.flatMap((payload) => decodeMake(payload) ?? [])).toEqual(nodes);
      }),
    );
  });

  it('decodeMake() takes any bytes, and gives nodes or nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const decoded = decodeMake(bytes);
        expect(decoded === null || Array.isArray(decoded)).toBe(true);
      }),
    );
  });

  it.each([
    ['another command', ['break', '/a', 'n0', '']],
    ['half a node', ['make', '/a', 'n0']],
    ['no owner', ['make', '/a', '', '']],
    ['a permission that is none', ['make', '/a', 'n0,x1', '']],
  ])('decodeMake() refuses %s', (_what, strings) => {
    expect(decodeMake(encodeStrings(strings))).toBeNull();
  });

  it('encodeMake() refuses a node that no message holds, and a NUL', () => {
    const permissions = [{ domid: 0, access: 'none' as const }];
    expect(() => encodeMake([{ path: '/a', value: 'x'.repeat(PAYLOAD_BYTES_MAX), permissions }])).toThrow(RangeError);
    expect(() => encodeMake([{ path: '/a', value: 'x\0y', permissions }])).toThrow(RangeError);
  });
});
