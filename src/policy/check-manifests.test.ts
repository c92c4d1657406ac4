import { describe, expect, it } from 'vitest';
import type { Manifest } from '../kit/manifest.ts';
import { complaints, entriesOf } from './check-manifests.ts';
import { manifests } from './manifests.ts';

const changed = (name: string, changes: Partial<Manifest>): Manifest[] =>
  manifests.map((manifest) => (manifest.name === name ? { ...manifest, ...changes } : manifest));

describe('the nine manifests', () => {
  it('give no cause for complaint', () => {
    expect(complaints(manifests)).toEqual([]);
    expect(manifests.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('give a reason for every right', () => {
    const entries = manifests.flatMap(entriesOf);
    expect(entries.length).toBeGreaterThan(60);
    for (const { why } of entries) expect(why).toMatch(/\w+ \w+/);
  });
});

describe('complaints()', () => {
  it('notices an entry without a reason', () => {
    const bare = changed('builder', { grants: [{ from: 'toolstack', use: 'map', why: '' }] });
    expect(complaints(bare)).toEqual(['builder: "" is no reason']);
  });

  it('notices a channel that the other end does not want', () => {
    const oneSided = changed('netback', { channels: [{ peer: 'builder', why: 'would like to talk' }] });
    expect(complaints(oneSided)).toContain('netback: wants a channel with builder, which does not name netback');
    expect(complaints(oneSided)).toContain('guest: wants a channel with netback, which does not name guest');
  });

  it('notices services that together take more memory than they may', () => {
    expect(complaints(changed('builder', { memoryMib: 300 })).join()).toMatch(
      /all services together take \d+ MiB of 384/,
    );
    // There is one for each such guest, and it is counted with it.
    expect(complaints(changed('qemu', { memoryMib: 300 }))).toEqual([]);
  });

  it('notices two manifests with one name or number', () => {
    expect(complaints(changed('netback', { number: 7 }))).toEqual(['two manifests are called 7']);
    expect(complaints([...manifests, manifests[0]!])).toContain('two manifests are called pciback');
  });
});
