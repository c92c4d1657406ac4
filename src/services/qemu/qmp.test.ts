import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { streamPair } from '../../xen/memory/byte-stream.ts';
import { MemoryXen } from '../../xen/memory/memory-xen.ts';
import type { ByteStream } from '../../xen/ports.ts';
import { Qmp, type QmpEvent } from './qmp.ts';

let xen: MemoryXen;
let monitor: ByteStream;
let qmp: Qmp;
let events: QmpEvent[];

beforeEach(() => {
  xen = new MemoryXen();
  const [ours, theirs] = streamPair({ capacityBytes: 1 << 20 });
  monitor = theirs;
  events = [];
  qmp = new Qmp(ours, xen.clock, (event) => events.push(event));
});

const say = (message: unknown): void => {
  monitor.write(new TextEncoder().encode(`${typeof message === 'string' ? message : JSON.stringify(message)}\r\n`));
};
/** What has been asked, in whole lines. */
const asked = () =>
  new TextDecoder()
    .decode(monitor.read(65_536) ?? new Uint8Array(0))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const outcome = (promise: Promise<unknown>) =>
  promise.then(String, (error: Error) => `${error.name}: ${error.message}`);

describe('Qmp', () => {
  it('is ready when QEMU has taken the first command, and knows answers by their numbers', async () => {
    const ready = qmp.ready(1000);
    say({ QMP: { version: {}, capabilities: ['oob'] } });
    await xen.settle();
    expect(asked()).toEqual([{ execute: 'qmp_capabilities', arguments: {}, id: 1 }]);
    say({ return: {}, id: 1 });
    await ready;
    const [first, second] = [qmp.execute('query-a'), qmp.execute('query-b', { x: 1 })];
    await xen.settle();
    expect(asked().map(({ id }) => id)).toEqual([2, 3]);
    say({ return: 'b', id: 3 });
    say({ return: 'a', id: 2 });
    expect([await first, await second]).toEqual(['a', 'b']);
  });

  it('hands on what QEMU refuses, in one line of printable characters', async () => {
    const answer = outcome(qmp.execute('eject'));
    say({ error: { class: 'GenericError', desc: `no\n\u001b[31m such ${'x'.repeat(500)}` }, id: 1 });
    expect(await answer).toMatch(/^QmpError: no \[31m such x{50,190}$/);
  });

  it('tells events, and ignores answers that nobody waits for', async () => {
    say({ return: {}, id: 77 });
    say({ event: 'RESET', data: { guest: true }, timestamp: { seconds: 1, microseconds: 2 } });
    await xen.settle();
    expect(events).toEqual([{ name: 'RESET', data: { guest: true } }]);
  });

  it('waits for no answer longer than it says', async () => {
    const answer = outcome(qmp.execute('query-status', {}, 50));
    await xen.clock.advance(50);
    expect(await answer).toBe('QmpError: query-status: no answer in 50 ms');
  });

  it('when QEMU goes, everything that is under way fails, and what comes later', async () => {
    const answer = outcome(qmp.execute('query-status'));
    monitor.close();
    expect(await answer).toBe('QmpError: end of stream');
    expect(await outcome(qmp.execute('query-status'))).toBe('QmpError: query-status: end of stream');
  });

  it('has a bounded number of commands under way', async () => {
    const answers = Array.from({ length: 20 }, () => outcome(qmp.execute('query-status')));
    expect(await answers[19]).toBe('QmpError: query-status: too many commands at once');
    qmp.close();
    expect((await Promise.all(answers)).filter((text) => text.endsWith('closed here'))).toHaveLength(16);
  });

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['an answer with a number that is none', '{"return":{},"id":"1"}'],
    ['a line without end', 'x'.repeat(70_000)],
  ])('gives up a QEMU that says %s', async (_, text) => {
    const answer = outcome(qmp.execute('query-status'));
    say(text);
    expect(await answer).toMatch(/^QmpError: /);
  });

  it('no bytes make it throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), async (chunks) => {
        const [ours, theirs] = streamPair();
        const client = new Qmp(ours, xen.clock, () => undefined);
        const answer = outcome(client.execute('query-status'));
        for (const chunk of chunks) theirs.write(chunk);
        theirs.close();
        expect(await answer).toMatch(/^QmpError: /);
      }),
    );
  });
});
