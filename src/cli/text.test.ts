import { expect, test } from 'vitest';
import type { HostReport } from '../contracts/toolstack.ts';
import { infoText, parseSize, sizeText } from './text.ts';

const isolationLine = (dma_isolation: HostReport['dma_isolation']): string => infoText({ dma_isolation } as HostReport);

test('infoText() says whether devices are confined, and what it means if they are not', () => {
  expect(isolationLine('iommu')).toBe('dma_isolation          : yes (IOMMU)\n');
  expect(isolationLine('none')).toBe(
    'dma_isolation          : no: there is no IOMMU; the driver VMs can reach all memory\n',
  );
});

test.each([
  ['512M', 512 * 1024 ** 2],
  ['4GiB', 4 * 1024 ** 3],
  ['1.5k', 1536],
  ['1048576', 1048576],
  ['-1', null],
  ['0.3k', null],
  ['4 apples', null],
])('parseSize() of %s is %s', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test('sizeText() keeps one digit where the size is not whole', () => {
  expect([0, 512, 1536, 8 * 1024 ** 3].map(sizeText)).toEqual(['0 B', '512 B', '1.5 KiB', '8 GiB']);
});
