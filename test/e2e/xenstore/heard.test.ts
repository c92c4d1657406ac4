import { expect, it } from 'vitest';
import { encodeHeard, type Heard, Listener } from './heard.ts';

const HEARD: readonly Heard[] = [
  { answer: '+OK~', events: [] },
  { answer: `+${'\xff< "quoted" > \n'.repeat(20)}`, events: ['a~t~', '@releaseDomain~~'] },
];

it('what was heard is the same after its way through the serial console, whatever stands between the lines', () => {
  const listener = new Listener();
  for (const line of encodeHeard(7, HEARD)) {
    listener.take('(d3) ennead[xenstore-logic]: domain 18 broke the protocol: connection lost');
    listener.take(`[    9.123] ennead[domain-zero]: ${line}`);
  }
  expect(listener.heard(7)).toEqual(HEARD);
});

it('lines are ASCII, and shorter than what Xen cuts', () => {
  for (const line of encodeHeard(7, HEARD)) expect(line).toMatch(/^[\x20-\x7e]{1,120}$/);
});

it('a line that was lost or cut in two is missed', () => {
  const [first, ...others] = encodeHeard(7, HEARD);
  const listener = new Listener();
  listener.take(first!.slice(0, 40));
  for (const line of others) listener.take(line);
  expect(() => listener.heard(7)).toThrow(/program 7: lines 1 of \d+ are lost/);
  expect(() => listener.heard(8)).toThrow(/lost/);
});
