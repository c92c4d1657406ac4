/** The two programs on an ordinary host, with Debian's clients and with misbehaving ones. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { guestLimits } from '../../src/contracts/xenstore-limits.ts';
import { decodeDomids, decodeLimits, decodeQuota } from '../../src/contracts/xenstore-quota.ts';
import { HEADER_BYTES } from '../../src/wire/xenstore-message.ts';
import { Client } from './client.ts';
import { Server } from './server.ts';

let server: Server;

beforeAll(async () => {
  server = await Server.start();
});
afterAll(async () => {
  // Neither socket nor folder: nothing is left.
  expect(await server.stop()).toEqual([]);
});

async function withClients<T>(count: number, work: (...clients: Client[]) => Promise<T>): Promise<T> {
  const clients = await Promise.all(Array.from({ length: count }, () => Client.connect(server.socket)));
  try {
    return await work(...clients);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

test("Debian's tools write, read, list, test, protect and remove", async () => {
  await server.tool('write', '/tools/name', 'value with spaces', '/tools/deep/er', '1');
  expect(await server.tool('read', '/tools/name')).toBe('value with spaces\n');
  expect(await server.tool('list', '/tools')).toBe('name\ndeep\n');
  await server.tool('exists', '/tools/deep');
  await expect(server.tool('exists', '/tools/missing')).rejects.toMatchObject({ code: 1 });
  await server.tool('chmod', '/tools/deep', 'n0', 'r5', 'w7');
  expect(await server.tool('ls', '-f', '-p', '/tools')).toBe(
    '/tools/name = "value with spaces"   (n0)\n/tools/deep = ""   (n0,r5,w7)\n/tools/deep/er = "1"   (n0)\n',
  );
  await server.tool('rm', '/tools');
  await expect(server.tool('read', '/tools/name')).rejects.toMatchObject({ code: 1 });
});

test('a relative path begins at the home of domain 0', async () => {
  await server.tool('write', 'vm', 'here');
  expect(await server.tool('read', '/local/domain/0/vm')).toBe('here\n');
});

test('xenstore-watch sees a change below, and the removal', async () => {
  const watching = server.spawnTool('watch', '-n', '3', '/watched');
  let seen = '';
  watching.stdout!.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
  });
  while (seen === '') await once(watching.stdout!, 'data');
  await server.tool('write', '/watched/below', 'x');
  await server.tool('rm', '/watched');
  if (watching.exitCode === null) await once(watching, 'exit');
  expect(seen).toBe('/watched\n/watched/below\n/watched\n');
});

test('a connection comes and goes without anybody being told of a domain', () =>
  withClients(1, async (watcher) => {
    await watcher.ask('watch', ['@introduceDomain', 'in']);
    await watcher.ask('watch', ['@releaseDomain', 'out']);
    await withClients(2, async (one) => void (await one.ask('read', ['/tool'])));
    await watcher.ask('read', ['/tool']);
    // Each watch's own first event.
    expect(watcher.events).toEqual([
      ['@introduceDomain', 'in'],
      ['@releaseDomain', 'out'],
    ]);
  }));

test('a request may come byte by byte, and several in one piece', () =>
  withClients(1, async (client) => {
    const bytes = client.packet('write', ['/split'], 'slowly');
    for (const byte of bytes.subarray(0, -1)) {
      client.socket.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    expect(new TextDecoder().decode((await client.send(bytes.subarray(-1))).payload)).toBe('OK\0');
    const three = ['/split', '/tool', '/none'].map((path) => client.packet('read', [path]));
    const answers = Promise.all([client.send(three[0]!), client.send(three[1]!), client.send(three[2]!)]);
    expect((await answers).map(({ payload }) => new TextDecoder().decode(payload))).toEqual(['slowly', '', 'ENOENT\0']);
  }));

test('the longest value goes through a ring that is shorter', () =>
  withClients(1, async (client) => {
    const value = 'x'.repeat(4096 - '/long\0'.length);
    expect(await client.ask('write', ['/long'], value)).toBe('OK');
    expect(await client.ask('read', ['/long'])).toBe(value);
  }));

test('a client that breaks the protocol loses its connection, and nobody else notices', () =>
  withClients(1, async (witness) => {
    await witness.ask('watch', ['/witness', 'w']);
    for (const garbage of [new Uint8Array(HEADER_BYTES).fill(0xff), new Uint8Array(10_000).fill(0x41)]) {
      const hostile = await Client.connect(server.socket);
      hostile.socket.write(garbage);
      await hostile.ended;
    }
    expect(await witness.ask('write', ['/witness/alive'], 'yes')).toBe('OK');
    expect(await witness.ask('read', ['/witness/alive'])).toBe('yes');
    expect(witness.events).toEqual([
      ['/witness', 'w'],
      ['/witness/alive', 'w'],
    ]);
  }));

test('a client that does not read is held up alone', () =>
  withClients(2, async (deaf, other) => {
    deaf.socket.pause();
    const request = deaf.packet('directory', ['/']);
    for (let count = 0; count < 20_000; count += 1) deaf.socket.write(request);
    for (let count = 0; count < 50; count += 1) expect(await other.ask('write', ['/other'], String(count))).toBe('OK');
    deaf.socket.destroy();
  }));

test('64 clients count in transactions: no increment is lost, and everybody gets there', () =>
  withClients(64, async (...clients) => {
    await clients[0]!.ask('write', ['/counter'], '0');
    const conflicts = await Promise.all(
      clients.map(async (client) => {
        for (let tries = 0; ; tries += 1) {
          const id = Number(await client.ask('transactionStart', ['']));
          const value = Number(await client.ask('read', ['/counter'], '', id));
          await client.ask('write', ['/counter'], String(value + 1), id);
          const ended = await client.ask('transactionEnd', ['T'], '', id);
          if (ended === 'OK') return tries;
          expect(ended).toBe('error:EAGAIN');
        }
      }),
    );
    expect(await clients[0]!.ask('read', ['/counter'])).toBe('64');
    expect(Math.max(...conflicts)).toBeLessThan(64);
  }));

test("nobody names another's connection as if it were a domain", () =>
  withClients(2, async (client, other) => {
    for (let domid = 16; domid < 24; domid += 1) {
      // One of them is its own.
      expect(['error:ENOENT', 'error:EINVAL']).toContain(await client.ask('release', [String(domid)]));
      expect(await client.ask('introduce', [String(domid), '0', '1'])).toBe('error:EINVAL');
      expect(await client.ask('setTarget', [String(domid), '17'])).toBe('error:ENOENT');
    }
    expect(await other.ask('getDomainPath', ['0'])).toBe('/local/domain/0');
  }));

test('a connection that ends takes its watches and transactions along', async () => {
  await withClients(1, async (client) => {
    await client.ask('watch', ['/gone', 'g']);
    await client.ask('transactionStart', ['']);
  });
  await withClients(1, async (client) => {
    const left = async (): Promise<number> => {
      const domids = decodeDomids(await client.ask('control', ['domids']));
      const quotas = await Promise.all(domids.map((domid) => client.ask('control', ['quota', String(domid)])));
      return quotas.map(decodeQuota).reduce((sum, quota) => sum + quota!.watches + quota!.transactions, 0);
    };
    expect(await client.ask('watch', ['/own', 'o'])).toBe('OK');
    while ((await left()) !== 1) await new Promise(setImmediate);
    await client.ask('unwatch', ['/own', 'o']);
    client.events.length = 0;
    // The next one with the same number is told of nothing that it did not ask for.
    await client.ask('write', ['/gone/x'], '1');
    expect(client.events).toEqual([]);
  });
});

test('XenStore-Logic is killed three times while it waits: connections, watches and transactions are as they were', () =>
  withClients(2, async (client, watcher) => {
    await watcher.ask('watch', ['/killed', 'k']);
    const transaction = Number(await client.ask('transactionStart', ['']));
    await client.ask('write', ['/killed/inside'], 'yes', transaction);
    for (let round = 0; round < 3; round += 1) {
      process.kill(await server.pidOf('logic'), 'SIGKILL');
      expect(await client.ask('write', ['/killed/value'], String(round))).toBe('OK');
      expect(await watcher.ask('read', ['/killed/value'])).toBe(String(round));
    }
    expect(await client.ask('transactionEnd', ['T'], '', transaction)).toBe('OK');
    expect(await watcher.ask('read', ['/killed/inside'])).toBe('yes');
    const own = ['/killed', 'k'];
    const value = ['/killed/value', 'k'];
    expect(watcher.events).toEqual([own, value, value, value, ['/killed/inside', 'k']]);
  }));

test.each(['logic', 'state'] as const)(
  'xenstore-%s is killed again and again under load: every request is answered once, every change made and told once',
  async (victim) => {
    // Its supervisor gives up after five in a minute.
    const kills = 5;
    const loaded = await Server.start();
    const clients = await Promise.all(Array.from({ length: 8 }, () => Client.connect(loaded.socket)));
    await clients[0]!.ask('write', ['/counter'], '0');
    let killed = 0;
    const load = clients.map(async (client, index) => {
      const home = `/load/${index}`;
      await client.ask('watch', [home, 'own']);
      let writes = 0;
      let counted = 0;
      for (let round = 0; killed < kills || round < 20; round += 1) {
        expect(await client.ask('write', [`${home}/${round}`], 'v'.repeat(round % 7 === 0 ? 1500 : 5))).toBe('OK');
        writes += 1;
        const id = Number(await client.ask('transactionStart', ['']));
        const value = Number(await client.ask('read', ['/counter'], '', id));
        await client.ask('write', ['/counter'], String(value + 1), id);
        if ((await client.ask('transactionEnd', ['T'], '', id)) === 'OK') counted += 1;
      }
      return { client, home, writes, counted };
    });
    for (; killed < kills; killed += 1) {
      const pid = await loaded.pidOf(victim);
      // Not when it starts: somewhere in its work.
      await Promise.race(clients.map((client) => client.ask('read', ['/counter'])));
      await new Promise((resolve) => setTimeout(resolve, 40 * Math.random()));
      process.kill(pid, 'SIGKILL');
      while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 5));
      await clients[0]!.ask('write', ['/after'], String(killed));
    }
    let sum = 0;
    for (const { client, home, writes, counted } of await Promise.all(load)) {
      sum += counted;
      const told = Array.from({ length: writes }, (_, round) => `${home}/${round}`);
      expect(client.events.map(([path]) => path)).toEqual([home, ...told]);
      await client.close();
    }
    expect(Number(await loaded.tool('read', '/counter'))).toBe(sum);
    expect(await loaded.stop()).toEqual([]);
  },
);

test('limits are what the options say, can be set, and outlive a State that is killed', async () => {
  const limited = await Server.start(undefined, ['--entry-nb', '2000', '-Q', 'memory=70000', '-q', 'memory=60000']);
  const client = await Client.connect(limited.socket);
  const control = (...strings: string[]) => client.ask('control', strings);
  const shown = async () => decodeLimits(await control('quota'), await control('quota-soft'));
  const first = { ...guestLimits, nodes: 2000, memory: 70000, 'memory-soft': 60000 };
  expect(await shown()).toEqual(first);
  expect(await control('quota', 'set', 'watches', '99')).toBe('OK');
  expect(await control('quota', 'set', 'watches', '0')).toBe('error:EINVAL');
  process.kill(await limited.pidOf('state'), 'SIGKILL');
  expect(await shown()).toEqual({ ...first, watches: 99 });
  expect(await control('help')).toContain('quota\t[set <name> <val>|<domid>]\n');
  expect(await control('memreport')).toBe('error:EINVAL');
  await client.close();
  expect(await limited.stop()).toEqual([]);
});

test('a limit that no guest may have ends the command with a reason', () => {
  const { status, stderr } = spawnSync('node', ['bin/ennead-xenstored.mjs', '--socket', '/tmp/x', '--entry-nb', '0'], {
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stderr).toContain('nodes can be set from 1 to 16000');
});

test('when the command is killed, none of its programs runs on', async () => {
  const other = await Server.start();
  const pids = [await other.pidOf('state'), await other.pidOf('logic')];
  await other.kill();
  for (const pid of pids) while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('a second server on the same socket says what is in the way', async () => {
  const { status, stderr } = spawnSync('node', ['bin/ennead-xenstored.mjs', '--socket', server.socket], {
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain('a server answers on');
});
