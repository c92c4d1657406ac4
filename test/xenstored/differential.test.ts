/** The same random programs on Ennead's store and on Debian's xenstored, by several connections each: the same answers, the same events. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client, type TypeName } from './client.ts';
import { ReferenceServer } from './reference/server.ts';
import { Server } from './server.ts';

const CLIENTS = 3;
const STEPS_MAX = 40;
const RUNS = 300;
const TOP = '/d';
const NO_SUCH_TRANSACTION = 4_000_000;

interface Step {
  readonly client: number;
  readonly type: TypeName;
  readonly strings: readonly string[];
  readonly tail?: string;
  /** Which of the client's transactions, counted from its first; null: none. */
  readonly transaction: number | null;
}

let ours: Server;
let reference: ReferenceServer;

beforeAll(async () => {
  [ours, reference] = await Promise.all([Server.start(), ReferenceServer.start()]);
});
afterAll(async () => {
  await reference.stop();
  expect(await ours.stop()).toEqual([]);
});

const path = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(TOP, '/d/a', '/d/b', '/d/a/x', '/d/a/x/y', '/d/b/z') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'data/r',
      '/d//a',
      '/d/',
      'a/../b',
      '',
      '/d/ü',
      '/d/a b',
      '@releaseDomain',
      '@other',
      '/',
    ),
  },
);
const token = fc.constantFrom('t', 'u', '');
const permissions = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('n0', 'r0', 'b0', 'w0') },
    { weight: 1, arbitrary: fc.constantFrom('x0', '', 'n5', 'r5', 'b16') },
  ),
  { minLength: 0, maxLength: 3 },
);
const value = fc.string({ maxLength: 12 });
const request = fc.oneof(
  path.map((p) => ({ type: 'read' as const, strings: [p] })),
  fc.tuple(path, value).map(([p, tail]) => ({ type: 'write' as const, strings: [p], tail })),
  path.map((p) => ({ type: 'mkdir' as const, strings: [p] })),
  path.map((p) => ({ type: 'rm' as const, strings: [p] })),
  path.map((p) => ({ type: 'directory' as const, strings: [p] })),
  path.map((p) => ({ type: 'getPerms' as const, strings: [p] })),
  fc.tuple(path, permissions).map(([p, list]) => ({ type: 'setPerms' as const, strings: [p, ...list] })),
  fc.tuple(path, token).map((strings) => ({ type: 'watch' as const, strings })),
  fc.tuple(path, token).map((strings) => ({ type: 'unwatch' as const, strings })),
  fc.constant({ type: 'transactionStart' as const, strings: [''] }),
  fc.constantFrom('T', 'F', 'x').map((verdict) => ({ type: 'transactionEnd' as const, strings: [verdict] })),
  fc.constantFrom('0', '7').map((domid) => ({ type: 'getDomainPath' as const, strings: [domid] })),
);
/** Two of three requests are outside of any transaction. */
const step: fc.Arbitrary<Step> = fc
  .tuple(fc.nat(CLIENTS - 1), request, fc.option(fc.nat(2), { freq: 2 }))
  .map(([client, { type, ...rest }, transaction]) => {
    return { client, type, ...rest, transaction: type === 'transactionStart' ? null : transaction };
  });

/**
 * Where Ennead means to differ: a transaction that looked for a node that was not there is in conflict with whoever makes that node. To
 * xenstored it has looked at all nodes above as well, and a node made beside is a conflict.
 */
const commitsWhereReferenceConflicts = (type: TypeName, ours: string, reference: string): boolean =>
  type === 'transactionEnd' && ours === 'OK' && reference === 'error:EAGAIN';

/** What a transaction sees that cannot be committed any more depends on what it has looked at before; no two stores need agree on that. */
async function isLost(reference: Side, { client, transaction }: Step): Promise<boolean> {
  if (transaction === null) return false;
  const end: Step = { client, transaction, type: 'transactionEnd', strings: ['T'] };
  return (await reference.do(end)) === 'error:EAGAIN';
}

test('every program gives the same answers and the same events', () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: STEPS_MAX }), async (program) => {
      const [one, other] = [await Side.open(ours.socket), await Side.open(reference.socket)];
      try {
        for (const each of program) {
          const [answer, expected] = [await one.do(each), await other.do(each)];
          if (commitsWhereReferenceConflicts(each.type, answer, expected)) return;
          if (answer !== expected && (await isLost(other, each))) return;
          expect(`${describe(each)} → ${answer}`).toBe(`${describe(each)} → ${expected}`);
        }
        expect(await one.events()).toEqual(await other.events());
      } catch (error) {
        if (!(await replaceDeadReference())) throw error;
      } finally {
        await Promise.all([one.close(), other.close()]);
      }
    }),
    { numRuns: RUNS },
  ));

test('of what goes with a removed node, what is below is told first', async () => {
  const plain = { client: 0, transaction: null } as const;
  const paths = ['/d/a', '/d/a/x', '/d/a/x/y', '/d/a/z'];
  const program: readonly Step[] = [
    ...paths.map((p) => ({ ...plain, type: 'mkdir' as const, strings: [p] })),
    ...paths.map((p) => ({ ...plain, type: 'watch' as const, strings: [p, 't'] })),
    { ...plain, type: 'rm', strings: ['/d/a'] },
  ];
  const told: string[][][][] = [];
  for (const { socket } of [reference, ours]) {
    const side = await Side.open(socket);
    for (const each of program) expect(await side.do(each)).toBe('OK');
    told.push(await side.events());
    await side.close();
  }
  const [expected, found] = told;
  expect(found).toEqual(expected);
  expect(found?.[0]?.slice(paths.length).map(([p]) => p)).toEqual(['/d/a/x/y', '/d/a/x', '/d/a/z', '/d/a']);
});

/** Seen once in ten thousand programs: it ends by an assertion of its own (consider_message: conn->in == NULL). That program says nothing. */
const REFERENCE_DEATHS_MAX = 2;
let deaths = 0;

async function replaceDeadReference(): Promise<boolean> {
  if (deaths === REFERENCE_DEATHS_MAX || !(await reference.hasDied())) return false;
  deaths += 1;
  await reference.stop();
  reference = await ReferenceServer.start();
  return true;
}

const describe = ({ client, type, strings, tail = '', transaction }: Step): string =>
  `${client} ${type} ${strings.join(' ')} ${tail} in ${transaction ?? 'none'}`;

/** One of the two servers, with its clients. */
class Side {
  private readonly transactions: string[][] = Array.from({ length: CLIENTS }, () => []);

  private constructor(private readonly clients: readonly Client[]) {}

  /** The store is empty, but for what it has from the start. */
  static async open(socket: string): Promise<Side> {
    const clients: Client[] = [];
    while (clients.length < CLIENTS) {
      const client = await Client.connect(socket);
      // Answered before the next one comes: xenstored lets one connection wait at most.
      for (const top of [TOP, '/local']) await client.ask('rm', [top]);
      clients.push(client);
    }
    return new Side(clients);
  }

  /** Transactions have other numbers on each side. */
  async do({ client, type, strings, tail, transaction }: Step): Promise<string> {
    const started = this.transactions[client]!;
    const id = transaction === null ? 0 : Number(started[transaction] ?? NO_SUCH_TRANSACTION);
    const answer = await this.clients[client]!.ask(type, strings, tail, id);
    if (type !== 'transactionStart' || answer.startsWith('error:')) return answer;
    started.push(answer);
    return 'started';
  }

  /** Of each client, after one more answer that follows them. */
  async events(): Promise<string[][][]> {
    for (const client of this.clients) await client.ask('read', ['/tool']);
    return this.clients.map((client) => client.events);
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
  }
}
