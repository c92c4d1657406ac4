import { describe, expect, it } from 'vitest';
import { SplitStore } from './split-store.ts';

describe('the split store', () => {
  it('answers Builder', async () => {
    const store = SplitStore.start();
    const builder = store.builder();
    await builder.write('/a/b', 'hello');
    expect(await builder.read('/a/b')).toBe('hello');
    expect(await builder.list('/a')).toEqual(['b']);
    expect(store.log).toEqual([]);
  });
});
