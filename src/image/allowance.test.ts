import { expect, it } from 'vitest';
import { forbiddenInputs, serviceFolder } from './allowance.ts';

it.each([
  'src/wire/ring.ts',
  'src/contracts/builder.ts',
  'src/kit/link.ts',
  'src/xen/ports.ts',
  'src/xen/real/evtchn.ts',
  'src/services/netback/main.ts',
  'node_modules/zod/mini/index.js',
])('a service may contain %s', (input) => {
  expect(forbiddenInputs([serviceFolder('netback')], [input])).toEqual([]);
});

it.each([
  'src/xen/memory/xen.ts',
  'src/services/blkback/main.ts',
  'src/services/netback-evil/main.ts',
  'src/image/cpio.ts',
  'src/policy/manifests.ts',
  'node_modules/zod-evil/index.js',
  'node_modules/esbuild/lib/main.js',
  'src/wire/ring.test.ts',
  'test/e2e/ennead.ts',
  '../elsewhere.ts',
])('a service may not contain %s', (input) => {
  expect(forbiddenInputs([serviceFolder('netback')], ['src/wire/ring.ts', input])).toEqual([input]);
});
