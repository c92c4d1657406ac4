import { expect, test } from 'vitest';
import { guestLimits, limitNames } from './xenstore-limits.ts';
import {
  commandFor,
  decodeDomids,
  decodeLimits,
  decodeQuota,
  encodeDomids,
  encodeLimits,
  encodeQuota,
  encodeSoftLimits,
  limitNamed,
} from './xenstore-quota.ts';

/** As `xenstore-control quota 16` of Xen 4.17 prints it. */
const XENSTORED = `Domain 16:
nodes           :       12
watches         :        3
transactions    :        1
outstanding     :        0
memory          :     1510
`;

test("xenstored's own answer is understood, ours looks like it", () => {
  const quota = decodeQuota(XENSTORED);
  expect(quota).toEqual({ domid: 16, nodes: 12, watches: 3, transactions: 1, outstanding: 0, memory: 1510, events: 0 });
  expect(encodeQuota(quota!)).toBe(`${XENSTORED}events          :        0\n`);
});

/** As `xenstore-control quota` of Xen 4.17 prints them. */
const XENSTORED_LIMITS = `Quota settings:
nodes            :     1000 Nodes per domain
watches          :      128 Watches per domain
transactions     :       10 Transactions per domain
outstanding      :        1 Outstanding requests per domain
transaction-nodes:     1024 Max. number of accessed nodes per transaction
memory           :   262144 Total Xenstore memory per domain (error level)
node-size        :     2048 Max. size of a node
path-max         :     2048 Max. length of a node path
permissions      :        5 Max. number of permissions per node
`;

test("limits look as xenstored's, with ours behind them, and are understood", () => {
  const text = encodeLimits(guestLimits);
  expect(text.startsWith(XENSTORED_LIMITS)).toBe(true);
  const values = { ...guestLimits, nodes: 7, 'memory-soft': 99 };
  expect(decodeLimits(encodeLimits(values), encodeSoftLimits(values))).toEqual(values);
  expect(decodeLimits(encodeLimits(values), '')).toBeNull();
  expect(decodeLimits(XENSTORED_LIMITS, encodeSoftLimits(values))).toBeNull();
});

test('what sets a limit is named by the command that shows it', () => {
  for (const name of limitNames) expect(limitNamed(...commandFor(name))).toBe(name);
  expect(limitNamed('quota', 'memory-soft')).toBeNull();
  expect(limitNamed('quota-soft', 'nodes')).toBeNull();
});

test.each(['', 'Domain 16:\n', 'nodes: 1\nwatches: 1\ntransactions: 1\n', 'Domain x:\nnodes: 1\n'])(
  '%j is no answer',
  (text) => {
    expect(decodeQuota(text)).toBeNull();
  },
);

test('domids come back as they went', () => {
  expect(decodeDomids(encodeDomids([1, 16, 32751]))).toEqual([1, 16, 32751]);
  expect(decodeDomids(encodeDomids([]))).toEqual([]);
});
