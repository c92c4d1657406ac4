import { describe, expect, it } from 'vitest';
import { inputOf, outputOf, usedBytes } from './byte-ring.ts';

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
