import { expect, test } from 'vitest';
import { manifests } from '../policy/manifests.ts';
import { serviceCatalogue } from './service-catalogue.ts';

test('the catalogue says of every service what its manifest says', () => {
  const extract = Object.fromEntries(
    manifests.map(({ name, job, kernel, memoryMib, cmdline }) => [
      name,
      { job, kernel, memoryMib, options: cmdline.map(({ option }) => option) },
    ]),
  );
  expect(serviceCatalogue).toEqual(extract);
});
