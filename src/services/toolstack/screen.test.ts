import { beforeEach, expect, test } from 'vitest';
import { streamPair } from '../../xen/memory/byte-stream.ts';
import type { ByteStream } from '../../xen/ports.ts';
import { serveConnection } from './connection.ts';
import { SCREENS_MAX } from './screen.ts';
import { OutputQueue } from './stream-io.ts';
import { furnish, pc } from './testing/emulated-pc.ts';
import { SimulatedHost } from './testing/simulated-host.ts';
import type { Toolstack } from './toolstack.ts';

let host: SimulatedHost;
let toolstack: Toolstack;

beforeEach(async () => {
  host = new SimulatedHost();
  furnish(host);
  toolstack = await host.toolstack();
});

const create = (config = pc()) => host.during(toolstack.createGuest(config));
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A session whose first line asks for a screen. */
function ask(method: string, guest: string | number = 'pc') {
  const [client, server] = streamPair({ readBytesMax: 1000 });
  const over = serveConnection(toolstack, server);
  client.write(encode(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { guest } })}\n`));
  return { client, over };
}

/** What has come, and whether the other side has closed. */
async function received(client: ByteStream): Promise<{ bytes: Uint8Array; ended: boolean }> {
  const parts: Uint8Array[] = [];
  let ended = false;
  for (let quiet = 0; quiet < 5 && !ended; quiet += 1) {
    await host.pass();
    for (let bytes = client.read(100_000); bytes; bytes = client.read(100_000)) {
      if (bytes.length === 0) {
        ended = true;
        break;
      }
      parts.push(bytes);
      quiet = 0;
    }
  }
  return { bytes: Uint8Array.from(parts.flatMap((part) => [...part])), ended };
}

const ANSWER = '{"jsonrpc":"2.0","id":1,"result":';

test('screen.shot answers with the length, then the picture, and ends', async () => {
  await create();
  const { bytes, ended } = await received(ask('screen.shot').client);
  const { shot } = host.qemu('pc');
  const answer = `${ANSWER}{"bytes":${shot.length}}}\n`;
  expect(new TextDecoder().decode(bytes.subarray(0, answer.length))).toBe(answer);
  expect(bytes.subarray(answer.length)).toEqual(shot);
  expect(ended).toBe(true);
});

test('screen.open carries both directions after its answer; the operator ends it', async () => {
  await create();
  const { client, over } = ask('screen.open');
  const { bytes } = await received(client);
  expect(new TextDecoder().decode(bytes)).toBe(`${ANSWER}{}}\nRFB 003.008\n`);
  client.write(encode('RFB 003.008\n'));
  await host.pass();
  host.qemu('pc').notify('screen.data', { session: 1, data: '\x00\xff' });
  expect((await received(client)).bytes).toEqual(Uint8Array.of(0, 255));
  client.close();
  await host.during(over);
  await host.pass();
  expect(host.qemu('pc')).toMatchObject({ screenInput: 'RFB 003.008\n', screensClosed: [1] });
});

test('what the viewer sends is not lost when its screen is slow: it waits', async () => {
  await create();
  const { client } = ask('screen.open');
  await received(client);
  const sent = 'z'.repeat(50_000);
  for (let at = 0; at < sent.length; ) {
    at += client.write(encode(sent.slice(at)));
    await host.pass();
  }
  await host.pass(1000);
  expect(host.qemu('pc').screenInput).toBe(sent);
});

test.each([
  ['the Qemu VM ends the session', async () => host.qemu('pc').notify('screen.closed', { session: 1 })],
  ['its link is lost', async () => host.qemu('pc').link?.close()],
  ['the guest is destroyed', () => host.during(toolstack.guests.destroy('pc'))],
])('a session ends when %s, with everything said before', async (_name, end) => {
  await create();
  const { client, over } = ask('screen.open');
  await host.pass();
  host.qemu('pc').notify('screen.data', { session: 1, data: 'last' });
  await host.pass();
  await end();
  const { bytes, ended } = await received(client);
  expect(new TextDecoder().decode(bytes)).toBe(`${ANSWER}{}}\nRFB 003.008\nlast`);
  expect(ended).toBe(true);
  await host.during(over);
});

test.each([
  ['screen.shot', 'none', 'unknown-guest'],
  ['screen.open', 'none', 'unknown-guest'],
  ['screen.shot', 'web', 'guest-state'],
  ['screen.open', 'blind', 'guest-state'],
])('%s of guest %s is refused in the answer', async (method, guest, code) => {
  await create({ ...pc(), name: 'web', boot: { type: 'pv', kernel: 'core', cmdline: '' } });
  await create(pc({ name: 'blind' }, { vga: 'none', drives: [] }));
  const { bytes, ended } = await received(ask(method, guest).client);
  expect(JSON.parse(new TextDecoder().decode(bytes))).toMatchObject({ id: 1, error: { data: { code } } });
  expect(ended).toBe(true);
});

test('so many screens are shown at once, and room is made when one is closed', async () => {
  await create();
  const shown = Array.from({ length: SCREENS_MAX }, () => ask('screen.open'));
  for (const { client } of shown) await received(client);
  const refused = await received(ask('screen.shot').client);
  expect(JSON.parse(new TextDecoder().decode(refused.bytes))).toMatchObject({ error: { data: { code: 'busy' } } });
  shown[0]!.client.close();
  await host.during(shown[0]!.over);
  expect((await received(ask('screen.shot').client)).bytes.length).toBeGreaterThan(host.qemu('pc').shot.length);
});

test('a queue of output keeps the order, writes nothing before its start, and gives up when it is full', async () => {
  const [near, far] = streamPair({ capacityBytes: 4 });
  let over = 0;
  const queue = new OutputQueue(near, 10, () => {
    over += 1;
  });
  queue.push(encode('bcd'));
  await host.pass();
  expect(far.read(100)).toBeNull();
  queue.start(encode('a'));
  queue.push(encode('efghi'));
  queue.end();
  let text = '';
  for (let count = 0; count < 10; count += 1) {
    await host.pass();
    text += new TextDecoder().decode(far.read(100) ?? undefined);
  }
  expect([text, over]).toEqual(['abcdefghi', 1]);
  const full = new OutputQueue(streamPair()[0], 10, () => {
    over += 1;
  });
  full.push(new Uint8Array(11));
  expect(over).toBe(2);
});
