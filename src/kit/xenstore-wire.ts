/** Requests and answers of one XenStore connection over a byte stream: matching, queueing, watch events. */
import {
  decodeStrings,
  decodeText,
  encodePacket,
  encodeStrings,
  messageTypes,
  PAYLOAD_BYTES_MAX,
  type Packet,
  PacketReader,
} from '../wire/xenstore-message.ts';
import { type ByteStream, PortError } from '../xen/ports.ts';

interface Waiting {
  readonly operation: string;
  resolve(payload: Uint8Array): void;
  reject(error: PortError): void;
}

const READ_BYTES = 4096;

export class XenStoreConnection {
  private readonly reader = new PacketReader();
  private readonly waiting = new Map<number, Waiting>();
  private readonly output: Uint8Array[] = [];
  private lastRequestId = 0;
  private closedWhy: string | null = null;

  constructor(
    private readonly stream: ByteStream,
    private readonly onWatchEvent: (path: string, token: string) => void,
  ) {
    stream.onReadable(() => this.readAll());
  }

  /** Rejects with a PortError whose code is the server's. */
  request(
    type: keyof typeof messageTypes,
    transactionId: number,
    strings: readonly string[],
    tail?: Uint8Array,
  ): Promise<Uint8Array> {
    const operation = `xenstore ${type}`;
    const subject = strings[0] ?? '';
    const payload = encodeStrings(strings, tail);
    if (this.closedWhy !== null) return Promise.reject(new PortError('ENOTCONN', operation, this.closedWhy));
    if (payload.length > PAYLOAD_BYTES_MAX) return Promise.reject(new PortError('E2BIG', operation, subject));
    this.lastRequestId = (this.lastRequestId + 1) >>> 0;
    const requestId = this.lastRequestId;
    return new Promise((resolve, reject) => {
      const refuse = (error: PortError): void => reject(new PortError(error.code, operation, subject));
      this.waiting.set(requestId, { operation, resolve, reject: refuse });
      this.output.push(encodePacket({ type: messageTypes[type], requestId, transactionId, payload }));
      this.flush();
    });
  }

  close(why: string): void {
    if (this.closedWhy !== null) return;
    this.closedWhy = why;
    this.stream.onReadable(null);
    this.stream.onWritable(null);
    this.stream.close();
    for (const { operation, reject } of this.waiting.values()) reject(new PortError('ENOTCONN', operation, why));
    this.waiting.clear();
  }

  /** A whole message goes in one write: Linux's xenbus device takes it whole, and never says when it is writable. */
  private flush(): void {
    for (let first = this.output[0]; first; first = this.output[0]) {
      const taken = this.stream.write(first);
      if (taken < first.length) {
        this.output[0] = first.subarray(taken);
        this.stream.onWritable(() => this.flush());
        return;
      }
      this.output.shift();
    }
    this.stream.onWritable(null);
  }

  private readAll(): void {
    while (this.closedWhy === null) {
      const chunk = this.stream.read(READ_BYTES);
      if (chunk === null) return;
      const packets = chunk.length === 0 ? 'the server closed the connection' : this.reader.push(chunk);
      if (typeof packets === 'string') this.close(packets);
      else for (const packet of packets) this.receive(packet);
    }
  }

  private receive({ type, requestId, payload }: Packet): void {
    if (type === messageTypes.watchEvent) {
      const [path, token] = decodeStrings(payload).strings;
      if (path !== undefined && token !== undefined) this.onWatchEvent(path, token);
      return;
    }
    const request = this.waiting.get(requestId);
    if (!request) return;
    this.waiting.delete(requestId);
    if (type !== messageTypes.error) request.resolve(payload);
    else request.reject(new PortError(errorCode(payload), request.operation, ''));
  }
}

const errorCode = (payload: Uint8Array): string => decodeStrings(payload).strings[0] ?? decodeText(payload);
