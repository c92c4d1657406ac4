import { expect, it } from 'vitest';
import { billOfMaterials } from './bill-of-materials.ts';
import type { Artifact } from './step.ts';

const xen: Artifact = {
  name: 'xen',
  version: '4.17.5',
  key: 'k',
  dir: '/cache/xen',
  files: { 'xen.elf': { sizeBytes: 1, sha256: 'a'.repeat(64) } },
  materials: [{ name: 'xen_4.17.5.dsc', version: '4.17.5', sha256: 'b'.repeat(64) }],
  digest: 'd',
  cached: true,
  elapsedMs: 5,
  path: (file) => file,
};

it('lists images with their hashes and what each was made from, and nothing of when and where', () => {
  const bill = billOfMaterials([xen]) as { components: { name: string; hashes: unknown }[]; dependencies: unknown[] };
  expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5' });
  expect(bill.components.map(({ name }) => name)).toEqual(['xen/xen.elf', 'xen_4.17.5.dsc']);
  expect(bill.components[0]!.hashes).toEqual([{ alg: 'SHA-256', content: 'a'.repeat(64) }]);
  expect(bill.dependencies).toEqual([{ ref: 'image:xen/xen.elf', dependsOn: ['debian:xen_4.17.5.dsc@bbbbbbbbbbbb'] }]);
  expect(JSON.stringify(bill)).not.toContain('/cache');
});

it('names a material that several images share once', () => {
  const bill = billOfMaterials([xen, { ...xen, name: 'other' }]) as { components: unknown[] };
  expect(bill.components).toHaveLength(3);
});
