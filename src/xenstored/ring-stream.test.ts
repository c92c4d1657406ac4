import { beforeEach, expect, test } from 'vitest';
import { consumeRing, readRing, writeRing } from '../kit/ring.ts';
import { ERROR_OFFSET, inputOf, RING_BYTES } from '../wire/byte-ring.ts';
import { MemoryXen } from '../xen/memory/memory-xen.ts';
import type { SharedRegion } from '../xen/ports.ts';
import { RingStream } from './ring-stream.ts';

const PORT = 5;

let page: SharedRegion;
let fire: () => void;
let notified: number[];
let stream: RingStream;

beforeEach(() => {
  const xen = new MemoryXen({ seed: 1 });
  for (const domid of [1, 2])
    xen.domains.create({
      kind: 'pv',
      domid,
      context: 'x',
      uuid: new Uint8Array(16),
      vcpus: 1,
      memoryMib: 1,
      iommu: false,
    });
  page = xen.domain(1).grants.share(2, 1, true).region;
  notified = [];
  stream = new RingStream(
    page,
    {
      notify: (port) => notified.push(port),
      onEvent: (_, handler) => {
        fire = handler;
      },
    },
    PORT,
  );
});

test('what is written is in the ring, and the server is told', () => {
  expect(stream.write(Uint8Array.of(1, 2, 3))).toBe(3);
  expect(readRing(page, 'server')).toEqual(Uint8Array.of(1, 2, 3));
  expect(notified).toEqual([PORT]);
});

test('a full ring takes no more, and asks for more when there is room', () => {
  expect(stream.write(new Uint8Array(RING_BYTES + 1))).toBe(RING_BYTES);
  expect(stream.write(Uint8Array.of(1))).toBe(0);
  let asked = 0;
  stream.onWritable(() => {
    asked += 1;
    stream.onWritable(null);
  });
  consumeRing(page, 'server', 10);
  fire();
  expect([asked, stream.write(new Uint8Array(20))]).toEqual([1, 10]);
});

test('an answer is read in pieces; the handler is called until nothing is left', () => {
  writeRing(page, 'server', Uint8Array.of(1, 2, 3, 4, 5));
  const read: number[] = [];
  stream.onReadable(() => void read.push(...(stream.read(2) ?? [])));
  expect(read).toEqual([1, 2, 3, 4, 5]);
  writeRing(page, 'server', Uint8Array.of(6));
  fire();
  expect(read).toEqual([1, 2, 3, 4, 5, 6]);
  expect(stream.read(10)).toBeNull();
});

test('the server hears of room in a ring that was full, and of no other', () => {
  writeRing(page, 'server', new Uint8Array(RING_BYTES));
  stream.read(1);
  expect(notified).toEqual([PORT]);
  stream.read(1);
  expect(notified).toEqual([PORT]);
});

test('a connection that the server has given up, or whose indices are impossible, has ended', () => {
  page.store32(inputOf('client').producer, RING_BYTES + 1);
  expect(stream.read(1)).toEqual(new Uint8Array(0));
  page.store32(inputOf('client').producer, 0);
  page.store32(ERROR_OFFSET, 3);
  expect(stream.read(1)).toEqual(new Uint8Array(0));
  expect(() => stream.write(Uint8Array.of(1))).toThrow('EPIPE');
});
