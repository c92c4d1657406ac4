/**
 * The Qemu VM's service as it is, with an enemy in the same VM: a second client of XenStore, with all rights that Linux can give there. It watches
 * from the start, and tries what it is told to.
 */
import { startProgram } from '../../../src/kit/service.ts';
import { connectXenStore, XENBUS_DEVICE } from '../../../src/kit/xenstore-client.ts';
import { XenStoreConnection } from '../../../src/kit/xenstore-wire.ts';
import '../../../src/services/qemu/main.ts';
import { decodeStrings, encodeText, type messageTypes } from '../../../src/wire/xenstore-message.ts';
import { type ByteStream, PortError } from '../../../src/xen/ports.ts';
import { clock, streams } from '../../../src/xen/real/adapter.ts';
import type { XenStore } from '../../../src/xen/xenstore-port.ts';
import {
  ANSWER,
  type Answer,
  type Attempt,
  attempts,
  commands,
  isOwn,
  ORDERS_ARE_THERE,
  type Orders,
  partOfOrders,
  WATCHED,
} from './plan.ts';

const NO_TRANSACTION = 0;
/** The operator's other guests come and go before that. */
const ORDERS_WAIT_MS = 600_000;
const OTHERWISE_MAX = 20;
const HEARD_MAX = 20;
const OWN_FOLDER = 'ennead/attacked';
const REFUSED = 'EACCES';
const DONE = 'done';

type Request = readonly [type: keyof typeof messageTypes, strings: readonly string[], tail?: Uint8Array];

const childOf = (path: string): string => `${path === '/' ? '' : path}/attacked`;

const requests = (own: number): Readonly<Record<Attempt, (path: string) => Request>> => ({
  read: (path) => ['read', [path]],
  directory: (path) => ['directory', [path]],
  getPerms: (path) => ['getPerms', [path]],
  write: (path) => ['write', [path], encodeText('attacked')],
  mkdir: (path) => ['mkdir', [childOf(path)]],
  setPerms: (path) => ['setPerms', [path, `b${own}`]],
  rm: (path) => ['rm', [path]],
});

/** As everybody in the VM may: what Linux gives to one process it gives to another. */
const open = (): ByteStream => streams.open(XENBUS_DEVICE, 'r+');

class Attacker {
  private readonly heard = new Set<string>();
  private readonly connection: XenStoreConnection;

  constructor(private readonly own: number) {
    this.connection = new XenStoreConnection(open(), (path) => {
      if (!isOwn(own, path) && this.heard.size < HEARD_MAX) this.heard.add(path);
    });
  }

  async listen(): Promise<void> {
    for (const path of WATCHED) await this.connection.request('watch', NO_TRANSACTION, [path, 'news']);
  }

  async attack(victim: number, paths: readonly string[]): Promise<Answer> {
    return {
      ...(await this.attackAll(paths)),
      commands: await this.command(victim),
      transaction: await this.attackInTransaction(victim),
      own: await this.sameOnItsOwn(),
      heard: [...this.heard].sort(),
    };
  }

  private async attackAll(paths: readonly string[]): Promise<Pick<Answer, 'refused' | 'otherwise'>> {
    const requestFor = requests(this.own);
    const otherwise: string[] = [];
    let refused = 0;
    for (const path of paths)
      for (const attempt of attempts) {
        const how = await this.tried(requestFor[attempt](path));
        if (how === REFUSED) refused += 1;
        else if (otherwise.length < OTHERWISE_MAX) otherwise.push(`${attempt} ${path}: ${how}`);
      }
    return { refused, otherwise };
  }

  private async command(victim: number): Promise<Answer['commands']> {
    const request: Readonly<Record<(typeof commands)[number], Request>> = {
      introduce: ['introduce', [String(victim), '1', '1']],
      release: ['release', [String(victim)]],
      setTarget: ['setTarget', [String(this.own), String(victim)]],
      resume: ['resume', [String(victim)]],
      control: ['control', ['quota', 'set', 'nodes', '16000']],
    };
    return this.each(commands, (command) => request[command]);
  }

  private async attackInTransaction(victim: number): Promise<string[]> {
    const started = await this.connection.request('transactionStart', NO_TRANSACTION, ['']);
    const transaction = Number(decodeStrings(started).strings[0]);
    const name = `/local/domain/${victim}/name`;
    return [
      await this.tried(['read', [name]], transaction),
      await this.tried(['write', [name], encodeText('attacked')], transaction),
      await this.tried(['transactionEnd', ['T']], transaction),
    ];
  }

  private async sameOnItsOwn(): Promise<Answer['own']> {
    await this.connection.request('mkdir', NO_TRANSACTION, [OWN_FOLDER]);
    const requestFor = requests(this.own);
    return this.each(attempts, (attempt) => requestFor[attempt](OWN_FOLDER));
  }

  private async each<K extends string>(keys: readonly K[], request: (key: K) => Request): Promise<Record<K, string>> {
    const answers: [K, string][] = [];
    for (const key of keys) answers.push([key, await this.tried(request(key))]);
    return Object.fromEntries(answers) as Record<K, string>;
  }

  private async tried([type, strings, tail]: Request, transaction = NO_TRANSACTION): Promise<string> {
    try {
      await this.connection.request(type, transaction, strings, tail);
      return DONE;
    } catch (error) {
      if (error instanceof PortError) return error.code;
      throw error;
    }
  }
}

async function ordersFrom(store: XenStore): Promise<{ victim: number; paths: string[] }> {
  const all = await store.waitFor(ORDERS_ARE_THERE, (text) => text ?? undefined, ORDERS_WAIT_MS);
  const { parts, victim } = JSON.parse(all) as Orders;
  const texts = Array.from({ length: parts }, (_, part) => store.read(partOfOrders(part)));
  return { victim, paths: (await Promise.all(texts)).flatMap((text) => text!.split('\n')) };
}

startProgram('attacker', async () => {
  const store = connectXenStore(open(), clock);
  const attacker = new Attacker(Number(await store.read('domid')));
  await attacker.listen();
  const { victim, paths } = await ordersFrom(store);
  await store.write(ANSWER, JSON.stringify(await attacker.attack(victim, paths)));
});
