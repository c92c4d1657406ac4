import { expect, test } from 'vitest';
import { decodeDomids, decodeQuota, encodeDomids, encodeQuota } from './xenstore-quota.ts';

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
  expect(quota).toEqual({ domid: 16, nodes: 12, watches: 3, transactions: 1, memory: 1510 });
  expect(encodeQuota(quota!)).toBe(XENSTORED.replace(/^outstanding.*\n/m, ''));
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
