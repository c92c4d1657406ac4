/** Heap rollback on the real runtime: a request that poisons XenStore-Logic poisons nobody's next one. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FAILURES_MAX } from '../../src/services/xenstore-logic/logic.ts';
import { Client } from './client.ts';
import { Server } from './server.ts';

const HERE = import.meta.dirname;
const COMMAND = [join(HERE, '..', '..', 'bin', 'run.mjs'), join(HERE, 'poisoned-server.ts')];
/** Handlers use more or less of the heap, depending on where in the ring their request lies. */
const HEAP_SPREAD_KIB = 64;
/** A handler may run for half a second in these tests; the witness may find several of them before its turn. */
const LATENCY_MAX_MS = 5000;

let server: Server;
let witness: Client;
let logicPid: number;
let pristine: Probe;

interface Probe {
  readonly changed: readonly string[];
  readonly handlers: number;
  readonly heapKib: number;
}

const probe = async (): Promise<Probe> => JSON.parse(await witness.ask('read', ['/poison/probe']));

beforeAll(async () => {
  server = await Server.start(COMMAND);
  witness = await Client.connect(server.socket);
  await witness.ask('watch', ['/witness', 'w']);
  pristine = await probe();
  logicPid = await server.pidOf('logic');
});
afterAll(async () => {
  await witness.close();
  expect(await server.stop()).toEqual([]);
});

/** The witness writes and reads while `work` runs; every answer and event has to be right, and none too late. */
async function whileWitnessed<T>(work: Promise<T>): Promise<T> {
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  ended.catch(() => undefined);
  witness.events.length = 0;
  let rounds = 0;
  for (; !isOver || rounds === 0; rounds += 1) {
    const startedMs = performance.now();
    expect(await witness.ask('write', ['/witness/value'], String(rounds))).toBe('OK');
    expect(await witness.ask('read', ['/witness/value'])).toBe(String(rounds));
    expect(performance.now() - startedMs).toBeLessThan(LATENCY_MAX_MS);
  }
  expect(witness.events).toEqual(Array(rounds).fill(['/witness/value', 'w']));
  return ended;
}

/** The next request sees Logic as it was at its start, and no process had to be started again for that. */
async function expectPristine(): Promise<void> {
  const { changed, handlers, heapKib } = await probe();
  expect({ changed, handlers }).toEqual({ changed: [], handlers: pristine.handlers });
  expect(Math.abs(heapKib - pristine.heapKib)).toBeLessThan(HEAP_SPREAD_KIB);
  expect(await server.pidOf('logic')).toBe(logicPid);
}

async function victim(path: string): Promise<Client> {
  const client = await Client.connect(server.socket);
  expect(await client.ask('write', [path], 'answered')).toBe('OK');
  return client;
}

describe('a request that poisons Logic', () => {
  test.each(['spoil', 'leak', 'rejection', 'endless-jobs'])(
    'after it is decided (%s) is answered once',
    async (damage) => {
      const path = `/poison/${damage}/3/first`;
      const client = await victim(path);
      for (let count = 0; count < 3; count += 1) {
        expect(await whileWitnessed(client.ask('read', [path]))).toBe('answered');
        await expectPristine();
      }
      await client.close();
    },
  );

  test.each(['spoil-at-once', 'exception', 'endless-loop', 'endless-recursion', 'out-of-memory'])(
    'before it is answered (%s), and then does not, is answered once',
    async (damage) => {
      const path = `/poison/${damage}/${FAILURES_MAX - 1}/cured`;
      const client = await victim(path);
      expect(await whileWitnessed(client.ask('read', [path]))).toBe('answered');
      await expectPristine();
      expect(await client.ask('read', [path])).toBe('answered');
      await client.close();
    },
  );

  test.each(['spoil-at-once', 'exception', 'endless-loop', 'endless-recursion', 'out-of-memory'])(
    'again and again (%s) costs its client the connection, and nobody else anything',
    async (damage) => {
      const path = `/poison/${damage}/${FAILURES_MAX}/lost`;
      const client = await victim(path);
      const lost = expect(client.ask('read', [path])).rejects.toThrow('closed the connection');
      await whileWitnessed(client.ended);
      await lost;
      await expectPristine();
      expect(server.log.filter((line) => line.includes('failed xenstore-logic too often'))).toHaveLength(1);
      server.log.length = 0;
      // It was the connection's, and is not the path's.
      const newcomer = await Client.connect(server.socket);
      expect(await newcomer.ask('read', [path])).toBe('answered');
      await newcomer.close();
    },
  );
});
