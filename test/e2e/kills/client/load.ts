/** What a client does, and what it knows must come of it: each operation compares the answer with a model of the client's own nodes. */

import { decodeText, encodeText, type messageTypes } from '../../../../src/wire/xenstore-message.ts';
import type { Random } from '../../../fuzz/random.ts';
import { type Connection, packetOf, Refusal } from '../../../virtual-store/connection.ts';
import { COUNTER_NODE, OWN_NODES, slotOf } from '../plan.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
/** More than a ring holds, so that some requests and answers come in parts. */
const VALUE_BYTES_MAX = 1500;
const CHANGES_MAX = 4;
const TICK = 'tick';
const ONCE = 'once';

export function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

type Model = Map<string, string>;

export class Load {
  /** Of its own watches, of which it awaits each event. */
  static readonly tokens = [TICK, ONCE];

  operations = 0;
  increments = 0;
  private readonly model: Model = new Map();

  constructor(
    private readonly connection: Connection,
    private readonly random: Random,
    private readonly domid: number,
  ) {}

  /** Once, before anything else. */
  begin(): void {
    this.ask('mkdir', [OWN_NODES]);
    this.ask('watch', [TICK, TICK]);
    this.connection.awaitEvent(TICK);
  }

  one(): void {
    this.operations += 1;
    this.random.pick(this.choices)();
  }

  private readonly choices = [
    () => this.read(this.name(), this.model),
    () => this.change(this.model),
    () => this.change(this.model),
    () => this.list(this.model),
    () => this.transact(),
    () => this.increment(),
    () => this.tick(),
    () => this.watchOnce(),
    () => this.writeSlot(String(this.operations)),
  ];

  writeSlot(value: string): void {
    this.ask('write', [slotOf(this.domid)], value);
  }

  private change(model: Model, transaction = 0): void {
    const name = this.name();
    if (this.random.chance(0.3)) this.remove(name, model, transaction);
    else this.write(name, model, transaction);
    this.read(name, model, transaction);
  }

  private write(name: string, model: Model, transaction = 0): void {
    const value = `${this.operations}.`.repeat(
      1 + this.random.below(this.random.chance(0.1) ? VALUE_BYTES_MAX / 8 : 2),
    );
    this.ask('write', [path(name)], value, transaction);
    model.set(name, value);
  }

  private remove(name: string, model: Model, transaction: number): void {
    this.ask('rm', [path(name)], undefined, transaction);
    model.delete(name);
  }

  private read(name: string, model: Model, transaction = 0): void {
    const expected = model.get(name) ?? 'ENOENT';
    const answer = this.answerTo('read', [path(name)], undefined, transaction);
    demand(answer === expected, `read ${name}: ${short(answer)} instead of ${short(expected)}`);
  }

  private list(model: Model, transaction = 0): void {
    const expected = [...model.keys()].sort().join();
    const answer = this.ask('directory', [OWN_NODES], undefined, transaction).split('\0').filter(Boolean).sort().join();
    demand(answer === expected, `directory: ${answer} instead of ${expected}`);
  }

  /** On nodes that nobody else touches: a conflict would be one with itself. */
  private transact(): void {
    const transaction = this.begun();
    const changed = new Map(this.model);
    for (let left = 1 + this.random.below(CHANGES_MAX); left > 0; left -= 1) this.change(changed, transaction);
    this.list(changed, transaction);
    const commits = this.random.chance(0.8);
    this.ask('transactionEnd', [commits ? 'T' : 'F'], undefined, transaction);
    if (commits) {
      this.model.clear();
      for (const [name, value] of changed) this.model.set(name, value);
    }
    this.list(this.model);
  }

  /** Again after a conflict, as every client does. */
  private increment(): void {
    for (let answer = ''; answer !== 'OK'; ) {
      const transaction = this.begun();
      const before = Number(this.ask('read', [COUNTER_NODE], undefined, transaction));
      this.ask('write', [COUNTER_NODE], String(before + 1), transaction);
      answer = withoutEnd(this.answerTo('transactionEnd', ['T'], undefined, transaction));
      demand(answer === 'OK' || answer === 'EAGAIN', `a transaction ended with ${answer}`);
    }
    this.increments += 1;
  }

  private tick(): void {
    this.ask('write', [TICK], String(this.operations));
    this.connection.awaitEvent(TICK);
  }

  private watchOnce(): void {
    const where = path(this.name());
    this.ask('watch', [where, ONCE]);
    this.connection.awaitEvent(ONCE);
    this.ask('unwatch', [where, ONCE]);
  }

  private begun(): number {
    return Number.parseInt(this.ask('transactionStart', ['']), 10);
  }

  private name(): string {
    return this.random.pick(NAMES);
  }

  /** The answer, which is no refusal. */
  private ask(type: keyof typeof messageTypes, strings: readonly string[], tail?: string, transaction = 0): string {
    const bytes = tail === undefined ? undefined : encodeText(tail);
    return decodeText(this.connection.exchange(packetOf(type, strings, bytes, transaction)));
  }

  /** The answer, or the name of the refusal. */
  private answerTo(...request: Parameters<Load['ask']>): string {
    try {
      return this.ask(...request);
    } catch (error) {
      if (error instanceof Refusal) return error.code;
      throw error;
    }
  }
}

const path = (name: string): string => `${OWN_NODES}/${name}`;
const withoutEnd = (answer: string): string => answer.replace(/\0$/, '');
const short = (value: string): string => `${value.slice(0, 20)} (${value.length})`;
