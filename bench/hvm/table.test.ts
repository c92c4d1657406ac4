import { expect, test } from 'vitest';
import { compare, type Figures, table } from './table.ts';

const figures = (bios: number): Figures => ({
  firstBios: 20,
  runs: 1,
  bios,
  linux: 1,
  destroy: 1,
  read: 1,
  write: 1,
  download: 1,
  qemuMib: 1,
});

test('each figure is the median of its rounds, and the ratio is Ennead’s by the ordinary domain 0’s', () => {
  const compared = compare([figures(4), figures(2), figures(3)], [figures(6), figures(5), figures(9)]);
  expect(compared.find(({ figure }) => figure === 'bios')).toEqual({
    figure: 'bios',
    unit: 's',
    ordinary: 3,
    ennead: 6,
    ratio: 2,
  });
});

test('the table has a row for each figure, in columns', () => {
  const lines = table(compare([figures(3)], [figures(6)])).split('\n');
  expect(lines).toHaveLength(10);
  expect(lines[2]).toMatch(/third guest, s +3\.00 +6\.00 +2\.00$/);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
});
