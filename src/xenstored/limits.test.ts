import { parseArgs } from 'node:util';
import { expect, test } from 'vitest';
import { guestLimits } from '../contracts/xenstore-limits.ts';
import { limitArguments, limitOptions, limitsFromArguments } from './limits.ts';

const given = (...args: string[]): string[] => limitArguments(parseArgs({ args, options: limitOptions }).values);

test("xenstored's options set what State starts with", () => {
  const args = given('-E', '2000', '--entry-size=100', '-W', '7', '-t', '3', '-A', '9', '--path-max', '300');
  const more = given('-Q', 'memory=70000', '--quota', 'transaction-nodes=5', '-q', 'memory=60000');
  expect(limitsFromArguments([...args, ...more])).toEqual({
    ...guestLimits,
    nodes: 2000,
    'node-size': 100,
    watches: 7,
    transactions: 3,
    permissions: 9,
    'path-max': 300,
    memory: 70000,
    'transaction-nodes': 5,
    'memory-soft': 60000,
  });
  expect(limitsFromArguments([])).toEqual(guestLimits);
});

test.each([
  [['--entry-nb', '0'], /nodes can be set from 1 to 16000/],
  [['--entry-nb', 'x'], /nodes can be set/],
  [['--quota', 'files=1'], /no such quota/],
  [['--quota-soft', 'nodes=1'], /no such quota/],
  [['--quota', 'outstanding=20'], /cannot be set/],
  [['--quota', 'memory'], /memory can be set/],
])('%j is refused', (args, says) => {
  expect(() => given(...args)).toThrow(says);
});

test('State takes no word that the starter would not give it', () => {
  for (const word of ['nodes', 'nodes=0', 'nodes=x', 'files=1'])
    expect(() => limitsFromArguments([word])).toThrow(word);
});
