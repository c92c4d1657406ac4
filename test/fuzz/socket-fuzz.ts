/** Connections of ennead-xenstored's socket send what they like, end when they like, read when they like. Another one must notice nothing. */
import { BOOTSTRAPPER_DOMID, BUILDER_DOMID } from '../../src/contracts/domids.ts';
import { connectXenStore } from '../../src/kit/xenstore-client.ts';
import { admitDomain0 } from '../../src/services/xenstore-logic/privileges.ts';
import { streamPair } from '../../src/xen/memory/byte-stream.ts';
import { VirtualClock } from '../../src/xen/memory/virtual-clock.ts';
import type { ByteStream } from '../../src/xen/ports.ts';
import { RingStream } from '../../src/xenstored/ring-stream.ts';
import { SocketClients } from '../../src/xenstored/socket-clients.ts';
import { DirectStore } from './direct-store.ts';
import { Exchange, Violation } from './exchange.ts';
import { input } from './grammar.ts';
import { Random } from './random.ts';
import { newTally, type Tally } from './tally.ts';
import { Witness } from './witness.ts';

const CONNECTIONS = 3;
const INPUTS_PER_TURN_MAX = 12;
const PIECE_BYTES_MAX = 3000;
const READ_BYTES_MAX = 4096;
/** After so many rounds a connection ends in any case: what it may have in the store has no bounds. */
const ROUNDS_MAX = 40;
const ODDS = { idle: 0.1, deaf: 0.1, leave: 0.03 };
/** What no input names. */
const WITNESS_DIRECTORY = '/witness-of-sockets/';
const EXPECTED_LOG = [
  /^domain (1[6-9]|2\d) broke the protocol: connection lost$/,
  /^domains [\d, ]+ do not read: events lost$/,
  // Domain 0 may introduce domains; there are none.
  /^domain 0 cannot be connected: /,
];

/** The far end of a socket. */
class Connection {
  readonly exchange = new Exchange();
  private outgoing: Buffer = Buffer.alloc(0);
  hasEnded = false;
  rounds = 0;

  constructor(readonly stream: ByteStream) {}

  send(bytes: Uint8Array): void {
    this.outgoing = Buffer.concat([this.outgoing, bytes]);
    this.exchange.sends(bytes);
  }

  /** Whether any bytes found room. */
  feed(bytesMax: number): boolean {
    const written = this.outgoing.length === 0 ? 0 : this.stream.write(this.outgoing.subarray(0, bytesMax));
    this.outgoing = this.outgoing.subarray(written);
    return written > 0;
  }

  /** Whether there was anything, an end included. */
  hear(): boolean {
    const bytes = this.hasEnded ? null : this.stream.read(READ_BYTES_MAX);
    if (bytes === null) return false;
    this.hasEnded = bytes.length === 0;
    this.exchange.receives(bytes);
    return true;
  }
}

export class SocketFuzz {
  readonly tally: Tally = newTally();
  private readonly random: Random;
  private readonly store = new DirectStore({ actsAs: () => BOOTSTRAPPER_DOMID, rootOwner: BOOTSTRAPPER_DOMID });
  private readonly clients: SocketClients;
  private readonly introducer: ReturnType<typeof connectXenStore>;
  private readonly witnessStream: ByteStream;
  private readonly witness: Witness;
  private connections: Connection[] = [];

  constructor(seed: number) {
    admitDomain0();
    const { store } = this;
    this.random = new Random(seed);
    const eventChannels = {
      allocUnbound: () => store.openPort(),
      unbind: (port: number) => store.closePort(port),
      notify: (port: number) => store.notify(port),
      onEvent: (port: number, handler: () => void) => store.onEvent(port, handler),
    };
    const page = store.pageOf(BUILDER_DOMID);
    const clock = new VirtualClock(async () => undefined);
    this.introducer = connectXenStore(new RingStream(page, eventChannels, store.builderPort), clock);
    const pages = {
      make: (domid: number) => store.makePage(domid),
      remove: (domid: number) => store.removePage(domid),
    };
    const log = (line: string): unknown => store.log.push(line);
    this.clients = new SocketClients({ store: this.introducer, eventChannels, pages, log });
    this.witnessStream = this.connect();
    this.witness = new Witness((bytes) => this.witnessStream.write(bytes), WITNESS_DIRECTORY);
  }

  async start(): Promise<void> {
    const made = this.introducer.mkdir(`${WITNESS_DIRECTORY}x`);
    await this.settle(false);
    await made;
  }

  /** Some inputs on every connection, and one request of the witness among them. */
  async round(): Promise<void> {
    while (this.connections.length < CONNECTIONS) this.connections.push(new Connection(this.connect()));
    for (const connection of this.connections) this.prepareInputs(connection);
    this.witness.ask();
    await this.settle(this.random.chance(ODDS.deaf));
    await this.settle(false);
    if (this.witness.isWaiting) throw new Violation('the witness has no answer');
    for (const connection of this.connections) this.judge(connection);
    this.connections = this.connections.filter((connection) => !this.ends(connection));
    await this.settle(false);
    this.demandNothingLeft();
    this.readLog();
  }

  private connect(): ByteStream {
    const [far, near] = streamPair({ capacityBytes: 1 + this.random.below(5000) });
    this.clients.accept(near);
    return far;
  }

  private prepareInputs(connection: Connection): void {
    if (this.random.chance(ODDS.idle)) return;
    for (let count = 1 + this.random.below(INPUTS_PER_TURN_MAX); count > 0; count -= 1) {
      connection.send(input(this.random, connection.exchange.transactions));
      this.tally.inputs += 1;
    }
    connection.feed(this.random.below(PIECE_BYTES_MAX));
  }

  /** Until nobody has anything to do; promises run between the handlers. */
  private async settle(deaf: boolean): Promise<void> {
    for (let moved = true; moved; ) {
      const before = this.store.runs;
      this.store.settle(() => undefined);
      await new Promise(setImmediate);
      moved = this.hearWitness() || this.store.runs !== before || !this.store.isIdle;
      for (const connection of this.connections) {
        moved = connection.feed(1 + this.random.below(PIECE_BYTES_MAX)) || moved;
        if (!deaf) moved = connection.hear() || moved;
      }
    }
  }

  private hearWitness(): boolean {
    const bytes = this.witnessStream.read(READ_BYTES_MAX);
    if (bytes?.length === 0) throw new Violation("the witness' connection has ended");
    if (bytes) this.witness.hears(bytes);
    return bytes !== null;
  }

  private judge(connection: Connection): void {
    const { exchange, hasEnded } = connection;
    if (exchange.isBroken !== hasEnded)
      throw new Violation(
        `a connection that is ${exchange.isBroken ? '' : 'not '}broken has ${hasEnded ? '' : 'not '}ended`,
      );
    // What follows the broken packet may end the connection before the last answers are read.
    if (!hasEnded && exchange.unanswered > 0) throw new Violation(`${exchange.unanswered} requests without an answer`);
    connection.rounds += 1;
  }

  private ends(connection: Connection): boolean {
    const { exchange, hasEnded, rounds, stream } = connection;
    const leaves = this.random.chance(ODDS.leave);
    if (!hasEnded && !leaves && rounds < ROUNDS_MAX) return false;
    // It goes without waiting for an answer.
    if (leaves) connection.send(input(this.random, exchange.transactions));
    connection.feed(PIECE_BYTES_MAX);
    stream.close();
    this.tally.answers += exchange.answers;
    this.tally.errors += exchange.errors;
    this.tally.broken += hasEnded ? 1 : 0;
    return true;
  }

  private demandNothingLeft(): void {
    const { pages, ports } = this.store.open;
    // Also the introducer's and the witness'.
    const expected = this.connections.length + 2;
    if (pages !== expected || ports !== expected)
      throw new Violation(`${expected} connections have ${pages} pages and ${ports} ports`);
  }

  private readLog(): void {
    const { log } = this.store;
    const unexpected = log.find((line) => !EXPECTED_LOG.some((expected) => expected.test(line)));
    if (unexpected !== undefined) throw new Violation(`the log says: ${unexpected}`);
    log.length = 0;
  }
}
