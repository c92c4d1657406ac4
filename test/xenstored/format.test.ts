/** What `ennead xenstore` prints and takes, held to Debian's xenstore-ls, -read and -write on the same contents. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { escapeValue, formatTree, unescapeValue } from '../../src/cli/xenstore-text.ts';
import { Client } from './client.ts';
import { Server } from './server.ts';

const RUNS = 60;

let server: Server;
let client: Client;

beforeAll(async () => {
  server = await Server.start();
  client = await Client.connect(server.socket);
});
afterAll(async () => {
  await client.close();
  expect(await server.stop()).toEqual([]);
});

const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,30}$/);
const value = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.string({ unit: fc.integer({ min: 0, max: 127 }).map((code) => String.fromCharCode(code)), maxLength: 60 }),
);
const permission = fc
  .tuple(fc.constantFrom('n', 'r', 'w', 'b'), fc.nat(20))
  .map(([letter, domid]) => `${letter}${domid}`);
const entry = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join('/')}`),
  value,
  // The only domain there is.
  permissions: fc
    .tuple(fc.constantFrom('n0', 'r0', 'w0', 'b0'), fc.array(permission, { maxLength: 3 }))
    .map((all) => all.flat()),
});

test('a tree is printed as by xenstore-ls, with its options', () =>
  fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(entry, { minLength: 1, maxLength: 8, selector: ({ path }) => path }),
      async (entries) => {
        await client.ask('rm', ['/tree']);
        for (const { path, value: text, permissions } of entries) {
          expect(await client.ask('write', [`/tree${path}`], text)).toBe('OK');
          expect(await client.ask('setPerms', [`/tree${path}`, ...permissions])).toBe('OK');
        }
        const nodes = await contents('/tree');
        expect(formatTree('/tree', nodes)).toBe(await server.tool('ls', '/tree'));
        expect(formatTree('/tree', nodes, { permissions: true })).toBe(await server.tool('ls', '-p', '/tree'));
        const full = { full: true, permissions: true } as const;
        expect(formatTree('/tree', nodes, full)).toBe(await server.tool('ls', '-f', '-p', '/tree'));
      },
    ),
    { numRuns: RUNS },
  ));

test('a value is printed as by xenstore-read', () =>
  fc.assert(
    fc.asyncProperty(value, async (text) => {
      await client.ask('write', ['/value'], text);
      expect(`${escapeValue(text)}\n`).toBe(await server.tool('read', '/value'));
    }),
    { numRuns: RUNS },
  ));

test('what is escaped is written as by xenstore-write', () =>
  fc.assert(
    fc.asyncProperty(value, async (text) => {
      const escaped = escapeValue(text);
      await server.tool('write', '--', '/escaped', escaped);
      expect(await client.ask('read', ['/escaped'])).toBe(text.replace(/\0$/, ''));
      expect(unescapeValue(escaped)).toBe(text);
    }),
    { numRuns: RUNS },
  ));

/** As Toolstack collects them. */
async function contents(parent: string): Promise<{ path: string; value: string; permissions: string[] }[]> {
  const names = (await client.ask('directory', [parent])).split('\0').filter(Boolean);
  const nodes = [];
  for (const child of names) {
    const path = `${parent}/${child}`;
    const permissions = (await client.ask('getPerms', [path])).split('\0').filter(Boolean);
    nodes.push({ path, value: await whole(path), permissions }, ...(await contents(path)));
  }
  return nodes;
}

/** `ask` takes a NUL at the end for the protocol's own. */
async function whole(path: string): Promise<string> {
  const { payload } = await client.send(client.packet('read', [path]));
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(payload);
}
