import { expect, test } from 'vitest';
import { encodeFrameHeader } from '../../contracts/volume-frames.ts';
import { streamPair } from '../../xen/memory/byte-stream.ts';
import type { ByteStream } from '../../xen/ports.ts';
import { serveConnection } from './connection.ts';
import { SimulatedHost } from './testing/simulated-host.ts';
import type { Toolstack } from './toolstack.ts';

async function session(host = new SimulatedHost(), toolstack?: Toolstack) {
  const served = toolstack ?? (await host.toolstack());
  const [client, server] = streamPair({ readBytesMax: 1000 });
  void serveConnection(served, server);
  return { host, toolstack: served, client };
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Everything that comes until the other side is silent. */
async function said(host: SimulatedHost, client: ByteStream): Promise<string> {
  let text = '';
  for (let quiet = 0; quiet < 5; quiet += 1) {
    await host.pass();
    for (let bytes = client.read(100_000); bytes && bytes.length > 0; bytes = client.read(100_000)) {
      text += new TextDecoder().decode(bytes);
      quiet = 0;
    }
  }
  return text;
}

const answers = (text: string): unknown[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test('a message in pieces is one message, two in one piece are two', async () => {
  const { host, client } = await session();
  const call = (id: number) => `{"jsonrpc":"2.0","id":${id},"method":"volume.list"}\n`;
  for (const character of call(1)) {
    client.write(encode(character));
    await host.xen.settle();
  }
  client.write(encode(call(2) + call(3)));
  expect(answers(await said(host, client)).map((answer) => (answer as { id: number }).id)).toEqual([1, 2, 3]);
});

test.each([
  ['what is not JSON', 'hello', 'parse-error'],
  ['what is no request', '{"id":1}', 'invalid-request'],
  ['an unknown method', '{"jsonrpc":"2.0","id":1,"method":"domain.create"}', 'unknown-method'],
  ['a method of the language', '{"jsonrpc":"2.0","id":1,"method":"constructor"}', 'unknown-method'],
  [
    'parameters of another shape',
    '{"jsonrpc":"2.0","id":1,"method":"guest.destroy","params":{"guest":"a/../b"}}',
    'invalid-params',
  ],
  ['parameters too many', '{"jsonrpc":"2.0","id":1,"method":"host.info","params":{"x":1}}', 'invalid-params'],
  [
    'a guest that is not ours',
    '{"jsonrpc":"2.0","id":1,"method":"guest.destroy","params":{"guest":4}}',
    'unknown-guest',
  ],
  ['input without a console', '{"jsonrpc":"2.0","id":1,"method":"console.input","params":{"data":"x"}}', 'guest-state'],
  [
    'input that is not bytes',
    '{"jsonrpc":"2.0","id":1,"method":"console.input","params":{"data":"€"}}',
    'invalid-params',
  ],
  [
    'an import without a name',
    '{"jsonrpc":"2.0","id":1,"method":"volume.import","params":{"bytes":1}}',
    'unknown-method',
  ],
])('%s is refused and the session goes on', async (_name, line, code) => {
  const { host, client } = await session();
  client.write(encode(`${line}\n`));
  expect(answers(await said(host, client))).toMatchObject([{ error: { data: { code } } }]);
  client.write(encode('{"jsonrpc":"2.0","id":2,"method":"host.info"}\n'));
  expect(answers(await said(host, client))).toMatchObject([{ id: 2, result: { xen_version: '4.17.5' } }]);
});

test('a first line without an end closes that session only', async () => {
  const { host, toolstack, client } = await session();
  for (let sent = 0; sent < 400; sent += 1) {
    client.write(new Uint8Array(1000).fill(120));
    await host.xen.settle();
  }
  await host.pass();
  expect(client.read(1)).toEqual(new Uint8Array(0));
  const other = await session(host, toolstack);
  other.client.write(encode('{"jsonrpc":"2.0","id":1,"method":"volume.list"}\n'));
  expect(answers(await said(host, other.client))).toHaveLength(1);
});

test('one session watches one console, and its end lets go of it', async () => {
  const { host, toolstack, client } = await session();
  const config = {
    name: 'web',
    memoryMib: 64,
    vcpus: 1,
    boot: { type: 'pv' as const, kernel: 'core', cmdline: '' },
    disks: [],
    vifs: [],
  };
  const actions = { onPoweroff: 'destroy', onReboot: 'restart', onCrash: 'destroy' } as const;
  await host.during(toolstack.createGuest({ ...config, ...actions }));
  const attach = (id: number) => `{"jsonrpc":"2.0","id":${id},"method":"console.attach","params":{"guest":"web"}}\n`;
  client.write(encode(attach(1) + attach(2)));
  const heard = answers(await said(host, client)) as { id?: number }[];
  expect(heard.sort((one, other) => (one.id ?? 0) - (other.id ?? 0))).toMatchObject([
    { method: 'console.output', params: { data: 'web boots\r\n' } },
    { id: 1, result: { name: 'web', domid: 16 } },
    { id: 2, error: { data: { code: 'busy' } } },
  ]);
  client.close();
  await host.pass();
  host.guest('web').console.print('nobody listens');
  await host.pass();
  expect(client.read(1)).toEqual(new Uint8Array(0));
  expect(toolstack.guests.find('web').console.watcherCount).toBe(0);
});

test.each([
  ['a frame beyond the end', { offset: 1 << 20, length: 4096 }],
  ['a frame larger than frames may be', { offset: 0, length: 1 << 20 }],
])('an import with %s fails and leaves no volume', async (_name, header) => {
  const { host, client } = await session();
  client.write(encode('{"jsonrpc":"2.0","id":1,"method":"volume.import","params":{"name":"v","bytes":4194304}}\n'));
  expect(answers(await said(host, client))).toMatchObject([{ id: 1, result: { bytes: 4194304 } }]);
  const start = header.offset === 0 ? header : { ...header, offset: 4 * header.offset };
  client.write(encodeFrameHeader(start));
  expect(answers(await said(host, client))).toMatchObject([
    { method: 'volume.failed', params: { code: 'transfer-incomplete' } },
  ]);
  expect(host.backEnds.volumes.size).toBe(0);
  expect(host.backEnds.openDevices.size).toBe(0);
});

test('an import of a name that is taken leaves the volume alone', async () => {
  const { host, client } = await session();
  host.backEnds.volumes.set('v', new Uint8Array(512));
  client.write(encode('{"jsonrpc":"2.0","id":7,"method":"volume.import","params":{"name":"v","bytes":512}}\n'));
  expect(answers(await said(host, client))).toMatchObject([{ id: 7, error: { data: { code: 'volume-exists' } } }]);
  expect(host.backEnds.volumes.has('v')).toBe(true);
});
