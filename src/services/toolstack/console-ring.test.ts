import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { MemoryXen } from '../../xen/memory/memory-xen.ts';
import type { SharedRegion } from '../../xen/ports.ts';
import { ConsoleRing, IN_BYTES, OUT_BYTES } from './console-ring.ts';
import { FakeGuestConsole } from './testing/fake-guest-console.ts';

const IN_CONS = 3072;
const IN_PROD = 3076;
const OUT_CONS = 3080;
const OUT_PROD = 3084;

let page: SharedRegion;
let guest: FakeGuestConsole;

beforeEach(() => {
  page = new MemoryXen().add(16).grants.share(16, 1, true).region;
  guest = new FakeGuestConsole(page, () => {});
});

const text = (bytes: Uint8Array | null): string | null => bytes && new TextDecoder().decode(bytes);
const bytes = (of: string): Uint8Array => new TextEncoder().encode(of);

test('output is taken once, and the guest learns that there is room', () => {
  const ring = new ConsoleRing(page);
  guest.print('hello');
  expect(text(ring.takeOutput())).toBe('hello');
  expect(text(ring.takeOutput())).toBe('');
  expect(page.load32(OUT_CONS)).toBe(5);
});

test('input arrives as far as there is room', () => {
  const ring = new ConsoleRing(page);
  expect(ring.putInput(new Uint8Array(IN_BYTES + 10).fill(65))).toBe(IN_BYTES);
  expect(ring.putInput(bytes('x'))).toBe(0);
  expect(guest.readAll()).toBe('A'.repeat(IN_BYTES));
  expect(ring.putInput(bytes('x'))).toBe(1);
});

test('indices wrap at the end of the ring and at 2^32', () => {
  for (const start of [OUT_BYTES - 2, 0xffff_fffe]) {
    for (const index of [IN_CONS, IN_PROD, OUT_CONS, OUT_PROD]) page.store32(index, start);
    const ring = new ConsoleRing(page);
    guest.print('wrapped');
    expect(text(ring.takeOutput())).toBe('wrapped');
    expect(ring.putInput(bytes('around'))).toBe(6);
    expect(guest.readAll()).toBe('around');
  }
});

test('a server that starts again goes on where the last one stopped', () => {
  guest.print('first');
  new ConsoleRing(page).takeOutput();
  guest.print('second');
  expect(text(new ConsoleRing(page).takeOutput())).toBe('second');
});

test.each([
  ['more output than the ring holds', OUT_PROD, OUT_BYTES + 1],
  ['a producer behind the consumer', OUT_PROD, 0xffff_ffff],
])('takeOutput() refuses %s', (_name, index, value) => {
  const ring = new ConsoleRing(page);
  page.store32(index, value);
  expect(ring.takeOutput()).toBeNull();
});

test('putInput() refuses a consumer ahead of the producer', () => {
  const ring = new ConsoleRing(page);
  page.store32(IN_CONS, 1);
  expect(ring.putInput(bytes('x'))).toBeNull();
});

test('what the guest writes over our own indices changes nothing', () => {
  const ring = new ConsoleRing(page);
  guest.print('abc');
  page.store32(OUT_CONS, 0x1234_5678);
  page.store32(IN_PROD, 0x9abc_def0);
  expect(text(ring.takeOutput())).toBe('abc');
  expect(ring.putInput(bytes('de'))).toBe(2);
  expect([page.load32(OUT_CONS), page.load32(IN_PROD)]).toEqual([3, 2]);
});

test('whatever a guest writes into the page, nothing throws and no more than a ring comes out', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(IN_CONS, IN_PROD, OUT_CONS, OUT_PROD), fc.nat(0xffff_ffff))),
      (writes) => {
        const ring = new ConsoleRing(page);
        for (const [offset, value] of writes) {
          page.store32(offset, value);
          expect(ring.takeOutput()?.length ?? 0).toBeLessThanOrEqual(OUT_BYTES);
          expect(ring.putInput(bytes('key')) ?? 0).toBeLessThanOrEqual(3);
        }
      },
    ),
  );
});
