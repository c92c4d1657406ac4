/** One client's requests, and what comes back. */
import {
  decodeBinary,
  decodeStrings,
  decodeText,
  encodeBinary,
  encodePacket,
  messageTypes,
  type Packet,
} from '../../../../src/wire/xenstore-message.ts';
import type { Ask } from '../program.ts';
import type { Relay } from './relay.ts';

const NO_SUCH_TRANSACTION = 4_000_000;
const NO_TRANSACTION = 0;

export class Conversation {
  private readonly packets: Packet[] = [];
  /** Events that came before an answer which was taken since. */
  private events: string[] = [];
  /** Of this program, as the server numbers them. */
  private transactions: number[] = [];
  /** What a directory's generation was when the client last asked for it. */
  private readonly generations = new Map<string, string>();
  private lastRequestId = 0;

  constructor(readonly relay: Relay) {}

  beginProgram(): void {
    this.transactions = [];
    this.generations.clear();
  }

  /** For who introduces it again. */
  beginAnew(): Relay {
    this.packets.length = 0;
    this.relay.forgetConversation();
    return this.relay;
  }

  ask(request: Ask): string {
    return this.described(request, this.send(request), this.answer());
  }

  /** How often each answer came, in their order. */
  flood(requests: readonly Ask[]): string {
    const sent = requests.map((request) => this.send(request));
    const runs: { answer: string; count: number }[] = [];
    for (const [index, request] of requests.entries()) {
      const answer = this.described(request, sent[index]!, this.answer());
      const last = runs.at(-1);
      if (last?.answer === answer) last.count += 1;
      else runs.push({ answer, count: 1 });
    }
    return runs.map(({ answer, count }) => `${count} × ${answer}`).join(', ');
  }

  /** Takes what has come; whether there was anything. */
  listen(): boolean {
    const packets = this.relay.receive();
    this.packets.push(...packets);
    return packets.length > 0;
  }

  get hasEvents(): boolean {
    return this.events.length > 0;
  }

  takeEvents(): string[] {
    const events = this.events;
    this.events = [];
    return events;
  }

  private send({ type, payload, transaction }: Ask): Packet {
    const transactionId =
      transaction === null ? NO_TRANSACTION : (this.transactions[transaction] ?? NO_SUCH_TRANSACTION);
    this.lastRequestId += 1;
    const packet = { type, requestId: this.lastRequestId, transactionId, payload: encodeBinary(payload) };
    this.relay.send(encodePacket(packet), (packets) => this.packets.push(...packets));
    return packet;
  }

  private answer(): Packet {
    for (;;) {
      const packet = this.packets.shift();
      if (packet?.type === messageTypes.watchEvent) this.events.push(readable(decodeBinary(packet.payload)));
      else if (packet) return packet;
      else if (!this.listen()) this.relay.wait();
    }
  }

  private described({ type, payload, transaction }: Ask, sent: Packet, answer: Packet): string {
    const { requestId, transactionId } = answer;
    if (requestId !== sent.requestId || transactionId !== sent.transactionId) return 'an answer to something else';
    if (answer.type === messageTypes.error) return `-${decodeText(answer.payload).replace('\0', '')}`;
    if (answer.type !== type) return `an answer of type ${answer.type}`;
    if (type === messageTypes.transactionStart) {
      this.transactions.push(Number(decodeStrings(answer.payload).strings[0]));
      return '+started';
    }
    const text = decodeBinary(answer.payload);
    const told = type === messageTypes.directoryPart ? this.compareGeneration(payload, transaction, text) : text;
    return `+${readable(told)}`;
  }

  /** Both servers count in their own way: what counts is whether the directory has changed. One of them refuses an offset that is no number. */
  private compareGeneration(payload: string, transaction: number | null, answer: string): string {
    const [generation = ''] = answer.split('\0', 1);
    const rest = answer.slice(generation.length);
    const [path = '', offset = ''] = payload.split('\0');
    if (transaction !== null || !/^\d{1,9}$/.test(offset)) return `generation${rest}`;
    const before = this.generations.get(path);
    this.generations.set(path, generation);
    return `${before === generation ? 'same' : 'new'} generation${rest}`;
  }
}

/** Short, too: where a character is repeated, it says how often. */
const readable = (payload: string): string =>
  payload.replaceAll('\0', '~').replace(/([^~])\1{9,}/g, (run, character) => `${character}{${run.length}}`);
