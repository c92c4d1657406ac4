/** A bare client of the protocol on a socket: for tests that look at single messages, or send what no library would. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  decodeStrings,
  encodePacket,
  encodeStrings,
  messageTypes,
  type Packet,
  PacketReader,
} from '../../src/wire/xenstore-message.ts';

export type TypeName = keyof typeof messageTypes;

export class Client {
  private readonly reader = new PacketReader();
  private readonly waiting: { readonly requestId: number; answer(packet: Packet): void; fail(error: Error): void }[] =
    [];
  readonly events: string[][] = [];
  readonly ended: Promise<unknown>;
  private lastId = 0;

  private constructor(readonly socket: Socket) {
    this.ended = new Promise((resolve) => socket.once('close', resolve));
    let why = 'the server has closed the connection';
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => {
      for (const { fail } of this.waiting.splice(0)) fail(new Error(why));
    });
    socket.on('data', (bytes: Buffer) => {
      const packets = this.reader.push(bytes);
      if (typeof packets === 'string') throw new Error(packets);
      for (const packet of packets) {
        if (packet.type === messageTypes.watchEvent) this.events.push(decodeStrings(packet.payload).strings);
        else this.take(packet);
      }
    });
  }

  static async connect(path: string): Promise<Client> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new Client(socket);
  }

  packet(type: TypeName, strings: readonly string[], tail = '', transactionId = 0): Uint8Array {
    this.lastId += 1;
    const payload = encodeStrings(strings, new TextEncoder().encode(tail));
    return encodePacket({ type: messageTypes[type], requestId: this.lastId, transactionId, payload });
  }

  /** A request, or the end of one. */
  send(bytes: Uint8Array): Promise<Packet> {
    const requestId = new DataView(bytes.buffer).getUint32(4, true);
    const answered = new Promise<Packet>((answer, fail) => this.waiting.push({ requestId, answer, fail }));
    this.socket.write(bytes);
    return answered;
  }

  /** One answer for each request, in their order. */
  private take(packet: Packet): void {
    const request = this.waiting.shift();
    if (request?.requestId === packet.requestId) request.answer(packet);
    else this.socket.destroy(new Error(`an answer to ${packet.requestId} that nobody waits for`));
  }

  /** The answer's strings; an error of the protocol as `error:<name>`. */
  async ask(type: TypeName, strings: readonly string[], tail = '', transactionId = 0): Promise<string> {
    const answer = await this.send(this.packet(type, strings, tail, transactionId));
    const text = new TextDecoder().decode(answer.payload).replace(/\0$/, '');
    return answer.type === messageTypes.error ? `error:${text}` : text;
  }

  async close(): Promise<void> {
    this.socket.end();
    await this.ended;
  }
}
