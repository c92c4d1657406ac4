import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { advance, inputOf, outputOf, RING_BYTES, ringRuns, usedBytes } from './byte-ring.ts';

describe('the layout of the page', () => {
  it('is that of struct xenstore_domain_interface', () => {
    expect(outputOf('client')).toEqual({ data: 0, consumer: 2048, producer: 2052 });
    expect(outputOf('server')).toEqual({ data: 1024, consumer: 2056, producer: 2060 });
    expect(inputOf('client')).toEqual(outputOf('server'));
    expect(inputOf('server')).toEqual(outputOf('client'));
  });
});

describe('usedBytes()', () => {
  it.each([
    [0, 0, 0],
    [0, 1024, 1024],
    [0, 1025, 'bad-index'],
    [1, 0, 'bad-index'],
    [0xffffffff, 3, 4],
    [0xffffff00, 0x300, 1024],
    [0xffffff00, 0x301, 'bad-index'],
  ])('of consumer %d and producer %d is %s', (consumer, producer, used) => {
    expect(usedBytes(consumer, producer)).toBe(used);
  });
});

describe('ringRuns()', () => {
  it('wraps at the end of the ring', () => {
    expect(ringRuns(outputOf('server'), 1020, 10)).toEqual([
      { offset: 2044, length: 4 },
      { offset: 1024, length: 6 },
    ]);
    expect(ringRuns(outputOf('client'), 0, 0)).toEqual([]);
  });

  it('covers exactly the bytes asked for, inside the ring', () => {
    const index = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(index, fc.integer({ min: 0, max: RING_BYTES }), (start, length) => {
        const bytes = ringRuns(outputOf('server'), start, length).flatMap((run) =>
          Array.from({ length: run.length }, (_, at) => run.offset + at),
        );
        const expected = Array.from({ length }, (_, at) => 1024 + (advance(start, at) % 1024));
        expect(bytes).toEqual(expected);
      }),
    );
  });
});
