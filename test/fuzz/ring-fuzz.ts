/** Two guests write what they like into their rings. A third one and Builder must notice nothing. */
import { BUILDER_DOMID } from '../../src/contracts/domids.ts';
import { ringErrors } from '../../src/wire/byte-ring.ts';
import { Violation } from './exchange.ts';
import { CONTESTED, input, rivalInput, rivalStart } from './grammar.ts';
import { Random } from './random.ts';
import { misuse, put, RingClient, type RingEnd, take } from './ring-client.ts';
import { newTally, type Tally } from './tally.ts';
import { message, Witness } from './witness.ts';

/** A store, however it runs, as its clients have it. */
export interface FuzzStore {
  readonly log: string[];
  /** How many handlers have run. */
  readonly runs: number;
  /** How often transactions were reserved and changes held, where that can be seen. */
  readonly fairness: { readonly reserved: number; readonly held: number };
  readonly builder: RingEnd;
  /** A domain that is not introduced, with its store channel's port. */
  prepare(domid: number): RingEnd & { readonly port: number };
  /** Until nothing is left to do; `between` may be called on the way. */
  settle(between: () => void): void | Promise<void>;
}

const HOSTILE = [16, 18] as const;
const WITNESS = 17;
const INPUTS_PER_TURN_MAX = 12;
/** Of a client that wants the same nodes as the other one: it waits for each answer. */
const RIVAL_INPUTS_MAX = 120;
const PIECE_BYTES_MAX = 1200;
/** After so many rounds a connection is made anew in any case: its quotas are used up. */
const ROUNDS_MAX = 150;
/** One event of each connection may be before the witness', and the one that Logic sends itself. */
const WITNESS_RUNS_MAX = HOSTILE.length + 1 + 2;
/** Chances of a round. */
const ODDS = { rivalry: 0.02, idle: 0.1, deaf: 0.1, misuse: 0.03, feedBetween: 0.3, hearBetween: 0.3 };
const [INTRODUCE, MKDIR, RM, SET_PERMS] = [8, 12, 13, 14] as const;
const EXPECTED_LOG = [
  /^domain 1[68] broke the protocol: connection lost$/,
  /^domains 1[68](, 1[68])* do not read: events lost$/,
];

class Hostile extends RingClient {
  rounds = 0;
  /** Inputs that it has still to send as the other one's rival in this round. */
  rivalInputs = 0;
  constructor(
    readonly domid: number,
    override readonly end: ReturnType<FuzzStore['prepare']>,
  ) {
    super(end);
  }
}

export class RingFuzz {
  readonly tally: Tally = newTally();
  private readonly random: Random;
  private readonly hostile: Hostile[];
  private readonly witnessEnd: RingEnd & { readonly port: number };
  private readonly witness: Witness;
  private askedAt = 0;

  constructor(
    private readonly store: FuzzStore,
    seed: number,
  ) {
    this.random = new Random(seed);
    this.hostile = HOSTILE.map((domid) => new Hostile(domid, store.prepare(domid)));
    this.witnessEnd = store.prepare(WITNESS);
    this.witness = new Witness((bytes) => put(this.witnessEnd, bytes), '');
  }

  async start(): Promise<void> {
    await this.makeContested();
    for (const { domid, end } of this.hostile) await this.introduce(domid, end.port);
    await this.introduce(WITNESS, this.witnessEnd.port);
  }

  /** Some inputs of the hostile clients, and one request of the witness among them. */
  async round(): Promise<void> {
    const areRivals = this.random.chance(ODDS.rivalry);
    for (const client of this.hostile)
      if (areRivals) this.makeRival(client);
      else this.prepareInputs(client);
    this.askedAt = this.store.runs;
    this.witness.ask();
    await this.rest();
    if (this.witness.isWaiting) throw new Violation('the witness has no answer');
    for (const client of this.hostile) await this.judge(client);
    Object.assign(this.tally, this.store.fairness);
    this.readLog();
  }

  private prepareInputs(client: Hostile): void {
    if (this.random.chance(ODDS.idle)) return;
    for (let count = 1 + this.random.below(INPUTS_PER_TURN_MAX); count > 0; count -= 1) {
      client.send(input(this.random, client.exchange.transactions));
      this.tally.inputs += 1;
    }
    client.feed(this.random.below(PIECE_BYTES_MAX));
  }

  /** Until everything is written, and everything answered is read. A client that is deaf for a time reads in the end. */
  private async rest(): Promise<void> {
    const deaf = this.random.chance(ODDS.deaf);
    await this.store.settle(() => this.between(deaf));
    for (let moved = true; moved; ) {
      moved = false;
      for (const client of this.hostile) {
        this.goOnAsRival(client);
        const fed = client.feed(1 + this.random.below(PIECE_BYTES_MAX));
        moved = client.hear() || fed || moved;
      }
      await this.store.settle(() => this.between(false));
      this.hearWitness();
    }
  }

  private between(deaf: boolean): void {
    this.hearWitness();
    for (const client of this.hostile) {
      // Rivals lose no time: what is reserved for one of them does not last.
      const hurries = client.rivalInputs > 0;
      this.goOnAsRival(client);
      if (hurries || this.random.chance(ODDS.feedBetween)) client.feed(this.random.below(PIECE_BYTES_MAX));
      if (hurries || (!deaf && this.random.chance(ODDS.hearBetween))) client.hear();
    }
  }

  private makeRival(client: Hostile): void {
    client.rivalInputs = RIVAL_INPUTS_MAX;
    client.send(rivalStart);
    this.tally.inputs += 1;
  }

  private goOnAsRival(client: Hostile): void {
    const { exchange } = client;
    if (client.rivalInputs === 0 || client.unsentBytes > 0 || exchange.unanswered > 0) return;
    client.rivalInputs -= 1;
    client.send(rivalInput(this.random, exchange.transaction));
    this.tally.inputs += 1;
  }

  private hearWitness(): void {
    const bytes = take(this.witnessEnd);
    if (bytes.length === 0) return;
    this.witness.hears(bytes);
    if (this.witness.isWaiting) return;
    const runs = this.store.runs - this.askedAt;
    this.tally.latencyMax = Math.max(this.tally.latencyMax, runs);
    if (runs > WITNESS_RUNS_MAX) throw new Violation(`the witness waited for ${runs} handler runs`);
  }

  private async judge(client: Hostile): Promise<void> {
    const { exchange, error, domid } = client;
    if (exchange.isBroken ? error !== ringErrors.protocol : error !== 0)
      throw new Violation(
        `domain ${domid}: error ${error} of a connection that is ${exchange.isBroken ? '' : 'not '}broken`,
      );
    if (exchange.unanswered > 0)
      throw new Violation(`domain ${domid}: ${exchange.unanswered} requests without an answer`);
    if (!exchange.isBroken && client.unsentBytes > 0) throw new Violation(`domain ${domid}: nobody reads its ring`);
    client.rounds += 1;
    if (exchange.isBroken) this.tally.broken += 1;
    const misused = this.random.chance(ODDS.misuse);
    if (misused) await this.misuse(client);
    if (exchange.isBroken || misused || client.rounds >= ROUNDS_MAX) await this.startAnew(client);
  }

  /** What comes of it concerns nobody else; what the client is told means nothing. */
  private async misuse({ end }: Hostile): Promise<void> {
    this.tally.misused += 1;
    for (let count = 1 + this.random.below(3); count > 0; count -= 1) {
      misuse(this.random, end.page);
      end.notify();
      if (this.random.chance(0.5)) await this.store.settle(() => misuse(this.random, end.page));
    }
    await this.store.settle(() => undefined);
  }

  private async startAnew(client: Hostile): Promise<void> {
    this.tally.answers += client.exchange.answers;
    this.tally.errors += client.exchange.errors;
    await this.byBuilder(RM, `/local/domain/${client.domid}\0`);
    await this.makeContested();
    await this.introduce(client.domid, client.end.port);
    client.startAnew();
    client.rounds = 0;
    client.rivalInputs = 0;
  }

  private async makeContested(): Promise<void> {
    await this.byBuilder(RM, `${CONTESTED}\0`);
    await this.byBuilder(MKDIR, `${CONTESTED}\0`);
    await this.byBuilder(SET_PERMS, `${CONTESTED}\0b${BUILDER_DOMID}\0`);
  }

  private async introduce(domid: number, port: number): Promise<void> {
    const home = `/local/domain/${domid}`;
    await this.byBuilder(MKDIR, `${home}\0`);
    await this.byBuilder(SET_PERMS, `${home}\0n${domid}\0`);
    await this.byBuilder(INTRODUCE, `${domid}\x000\0${port}\0`);
  }

  private async byBuilder(type: number, payload: string): Promise<void> {
    put(this.store.builder, message(type, 0, 0, payload));
    await this.store.settle(() => undefined);
    const answer = Buffer.from(take(this.store.builder));
    if (!answer.equals(message(type, 0, 0, 'OK\0')))
      throw new Violation(`Builder's ${type} of ${payload} was answered with ${answer.toString('latin1')}`);
  }

  private readLog(): void {
    const unexpected = this.store.log.find((line) => !EXPECTED_LOG.some((expected) => expected.test(line)));
    if (unexpected !== undefined) throw new Violation(`the log says: ${unexpected}`);
    this.store.log.length = 0;
  }
}
