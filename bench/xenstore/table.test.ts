import { expect, test } from 'vitest';
import type { Result, Server } from './plan.ts';
import { medians, table } from './table.ts';

const measured = (server: Server, clients: number, perSecond: number, serverMs: number) => {
  const result: Result = { operation: 'read', perSecond, p50Ms: 1.234, p99Ms: 12.34, serverMs, clientMs: 0.5 };
  return { server, clients, results: [result] };
};

test('each server stands beside the reference with as many clients', () => {
  const lines = table([
    measured('xenstored', 1, 1000, 0.5),
    measured('xenstored', 8, 2000, 0.4),
    measured('ennead', 1, 500, 1.5),
    measured('ennead', 8, 500, 2),
  ]).split('\n');
  const cells = lines.map((line) => line.trim().split(/ {2,}/));
  expect(cells[0]).toEqual([
    ...['operation', 'clients', 'server', 'per second', 'ratio', 'p50 ms', 'p99 ms', 'server ms/op', 'ratio'],
    'client ms/op',
  ]);
  expect(cells.slice(1).map((row) => [row[1], row[2], row[3], row[4], row[8]])).toEqual([
    ['1', 'xenstored', '1000', '1.00', '1.00'],
    ['8', 'xenstored', '2000', '1.00', '1.00'],
    ['1', 'ennead', '500', '0.50', '3.00'],
    ['8', 'ennead', '500', '0.25', '5.00'],
  ]);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
});

test('of several rounds each figure is the median, or what lies between the middle two, for each server and number of clients', () => {
  const rounds = [
    measured('ennead', 1, 500, 9),
    measured('xenstored', 1, 1000, 0.5),
    measured('ennead', 8, 700, 1),
    measured('ennead', 1, 400, 1),
    measured('ennead', 1, 600, 2),
    measured('ennead', 8, 900, 3),
  ];
  const figures = medians(rounds).map(({ server, clients, results: [result] }) => {
    return [server, clients, result?.perSecond, result?.serverMs];
  });
  expect(figures).toEqual([
    ['ennead', 1, 500, 2],
    ['xenstored', 1, 1000, 0.5],
    ['ennead', 8, 800, 2],
  ]);
});

test('without a reference there is no ratio', () => {
  const [, row] = table([measured('ennead', 1, 500, 1.5)]).split('\n');
  expect(row?.trim().split(/ {2,}/)[4]).toBe('-');
});
