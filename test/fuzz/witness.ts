/** A client that does the same things again and again, knows every byte that has to come of them, and watches the clock. */
import { Violation } from './exchange.ts';

const [READ, WRITE, WATCH, TRANSACTION_START, TRANSACTION_END, WATCH_EVENT] = [2, 11, 4, 6, 7, 15];
const NODE = 'x';
const TOKEN = 'witness';

export function message(type: number, requestId: number, transaction: number, payload: string): Buffer {
  const bytes = Buffer.alloc(16 + Buffer.byteLength(payload));
  for (const [index, word] of [type, requestId, transaction, bytes.length - 16].entries())
    bytes.writeUInt32LE(word, 4 * index);
  bytes.write(payload, 16);
  return bytes;
}

export class Witness {
  private turn = 0;
  private expected: Buffer = Buffer.alloc(0);
  private got: Buffer = Buffer.alloc(0);
  private transaction = 0;

  /** `directory`: where it has its node, with a slash at the end, or nothing for its home. */
  constructor(
    private readonly send: (bytes: Uint8Array) => void,
    private readonly directory: string,
  ) {}

  /** Sends its next request. */
  ask(): void {
    if (this.isWaiting)
      throw new Violation(`the witness got ${this.got.toString('latin1')}, and not all of its answer`);
    this.got = Buffer.alloc(0);
    const node = `${this.directory}${NODE}`;
    const value = String(this.turn - (this.turn % 5));
    const event = message(WATCH_EVENT, 0, 0, `${node}\0${TOKEN}\0`);
    if (this.turn === 0) this.request(WATCH, 0, `${node}\0${TOKEN}\0`, 'OK\0', Buffer.alloc(0), event);
    else if (this.turn % 5 === 0) this.request(WRITE, 0, `${node}\0${value}`, 'OK\0', event);
    else if (this.turn % 5 === 1) this.request(TRANSACTION_START, 0, '\0', null);
    else if (this.turn % 5 === 2) this.request(WRITE, this.transaction, `${node}\0${value}`, 'OK\0');
    else if (this.turn % 5 === 3) this.request(TRANSACTION_END, this.transaction, 'T\0', 'OK\0', event);
    else this.request(READ, 0, `${node}\0`, value);
    this.turn += 1;
  }

  /** `answer` null: a transaction's id, whichever. */
  private request(
    type: number,
    transaction: number,
    payload: string,
    answer: string | null,
    before: Buffer = Buffer.alloc(0),
    after: Buffer = Buffer.alloc(0),
  ): void {
    const own = answer === null ? Buffer.alloc(0) : message(type, this.turn, transaction, answer);
    this.expected = Buffer.concat([before, own, after]);
    this.send(message(type, this.turn, transaction, payload));
  }

  hears(bytes: Uint8Array): void {
    this.got = Buffer.concat([this.got, bytes]);
    if (this.expected.length === 0) this.hearTransaction();
    else if (!this.expected.subarray(0, this.got.length).equals(this.got))
      throw new Violation(`the witness got ${dump(this.got)}, not ${dump(this.expected)}`);
  }

  get isWaiting(): boolean {
    return this.got.length < this.expected.length || (this.turn > 0 && this.got.length === 0);
  }

  private hearTransaction(): void {
    this.transaction = Number(this.got.subarray(16, -1).toString());
    const { transaction, turn } = this;
    if (!Number.isInteger(transaction) || !message(TRANSACTION_START, turn - 1, 0, `${transaction}\0`).equals(this.got))
      throw new Violation(`the witness got ${dump(this.got)}, not a transaction`);
  }
}

const dump = (bytes: Buffer): string => JSON.stringify(bytes.toString('latin1'));
