import fc from 'fast-check';
import { expect, it } from 'vitest';
import { advance, outputOf, RING_BYTES } from '../wire/byte-ring.ts';
import { MemoryXen } from '../xen/memory/memory-xen.ts';
import { placeAt, readAt } from './ring.ts';

it('bytes go round the end of the ring and come back as they were', () => {
  const layout = outputOf('server');
  const page = new MemoryXen().add(1).grants.share(2, 1, true).region;
  const index = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(
    fc.property(index, fc.uint8Array({ maxLength: RING_BYTES }), (start, bytes) => {
      expect(placeAt(page, layout, start, bytes)).toBe(advance(start, bytes.length));
      expect(readAt(page, layout, start, bytes.length)).toEqual(bytes);
      bytes.forEach((byte, at) => {
        expect(page.read(1024 + (advance(start, at) % 1024), 1)[0]).toBe(byte);
      });
    }),
  );
});
