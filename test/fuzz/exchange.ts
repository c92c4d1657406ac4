/**
 * What one client has asked and what it was answered, read by a parser of its own: every request has one answer, in order, with the request's
 * type or ERROR and with its ids; anything between them is a watch event. A length that no message may have ends the conversation.
 */
const HEADER_BYTES = 16;
const PAYLOAD_BYTES_MAX = 4096;
const [TRANSACTION_START, TRANSACTION_END, WATCH_EVENT, ERROR] = [6, 7, 15, 16];
/** As many as a guest may have open. */
const TRANSACTIONS_KEPT = 10;

export class Violation extends Error {}

export interface Message {
  readonly type: number;
  readonly requestId: number;
  readonly transaction: number;
  readonly payload: Buffer;
}

/** A stream of messages. `isBroken`: what follows has no meaning. */
export class MessageStream {
  private rest: Buffer = Buffer.alloc(0);
  isBroken = false;

  *push(bytes: Uint8Array): Iterable<Message> {
    this.rest = Buffer.concat([this.rest, bytes]);
    let at = 0;
    while (!this.isBroken && this.rest.length - at >= HEADER_BYTES) {
      const [type, requestId, transaction, length] = [0, 4, 8, 12].map((word) => this.rest.readUInt32LE(at + word));
      this.isBroken = length! > PAYLOAD_BYTES_MAX;
      const end = at + HEADER_BYTES + length!;
      if (this.isBroken || end > this.rest.length) break;
      const payload = this.rest.subarray(at + HEADER_BYTES, end);
      yield { type: type!, requestId: requestId!, transaction: transaction!, payload };
      at = end;
    }
    this.rest = this.rest.subarray(at);
  }
}

export class Exchange {
  private readonly asked = new MessageStream();
  private readonly answered = new MessageStream();
  private readonly open: Message[] = [];
  /** Ids that were given out, and perhaps ended since. */
  readonly transactions: number[] = [];
  /** The one begun last, unless it has ended. */
  transaction: number | null = null;
  /** Answers that came, errors among them. */
  answers = 0;
  errors = 0;

  sends(bytes: Uint8Array): void {
    for (const message of this.asked.push(bytes)) this.open.push(message);
  }

  receives(bytes: Uint8Array): void {
    for (const message of this.answered.push(bytes)) {
      if (message.type === WATCH_EVENT) demandEvent(message);
      else this.settle(message, this.open.shift());
    }
    if (this.answered.isBroken) throw new Violation('an answer that is too long');
  }

  /** The server has to give this connection up. */
  get isBroken(): boolean {
    return this.asked.isBroken;
  }

  get unanswered(): number {
    return this.open.length;
  }

  private settle(answer: Message, request: Message | undefined): void {
    const fits =
      request?.requestId === answer.requestId &&
      request.transaction === answer.transaction &&
      (answer.type === request.type || answer.type === ERROR);
    if (!request || !fits) throw new Violation(`${describe(request)} was answered with ${describe(answer)}`);
    this.answers += 1;
    if (request.type === TRANSACTION_END && request.transaction === this.transaction) this.transaction = null;
    if (answer.type === ERROR) {
      this.errors += 1;
      if (!/^E[A-Z0-9]{2,8}\0$/.test(answer.payload.toString('latin1'))) throw new Violation(describe(answer));
    } else this.learn(answer);
  }

  private learn({ type, transaction, payload }: Message): void {
    if (type === TRANSACTION_START) {
      this.transaction = Number(payload.subarray(0, -1).toString());
      this.transactions.push(this.transaction);
    }
    if (this.transactions.length > TRANSACTIONS_KEPT) this.transactions.shift();
    if (type === TRANSACTION_END) this.transactions.splice(this.transactions.indexOf(transaction), 1);
  }
}

/** A path and a token, and nothing that is anybody's answer. */
function demandEvent(event: Message): void {
  const strings = event.payload.toString('latin1').split('\0');
  if (strings.length !== 3 || strings[2] !== '' || event.requestId !== 0 || event.transaction !== 0)
    throw new Violation(`not an event: ${describe(event)}`);
}

function describe(message: Message | undefined): string {
  if (!message) return 'nothing';
  const { type, requestId, transaction, payload } = message;
  return `${type}/${requestId}/${transaction} ${JSON.stringify(payload.toString('latin1').slice(0, 200))}`;
}
