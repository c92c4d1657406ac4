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
  readonly requestId: number;
  readonly packet: Uint8Array;
  resolve(payload: Uint8Array): void;
  reject(error: PortError): void;
}

const READ_BYTES = 4096;

export class XenStoreConnection {
  private readonly reader = new PacketReader();
  /**
   * In order; only the first one has been sent. Linux's xenbus device must never hold a second request of ours: it registers a watch
   * while holding the lock under which it would take in the answer to the request before, and waits for ever.
   * @source Linux drivers/xen/xenbus/xenbus_dev_frontend.c, xenbus_file_write and xenbus_dev_queue_reply
   */
  private readonly waiting: Waiting[] = [];
  /** What the stream has not taken of the first request. */
  private unsent: Uint8Array | null = null;
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
      const packet = encodePacket({ type: messageTypes[type], requestId, transactionId, payload });
      this.waiting.push({ operation, requestId, packet, resolve, reject: refuse });
      if (this.waiting.length === 1) this.sendFirst();
    });
  }

  close(why: string): void {
    if (this.closedWhy !== null) return;
    this.closedWhy = why;
    this.stream.onReadable(null);
    this.stream.onWritable(null);
    this.stream.close();
    for (const { operation, reject } of this.waiting.splice(0)) reject(new PortError('ENOTCONN', operation, why));
  }

  private sendFirst(): void {
    this.unsent = this.waiting[0]?.packet ?? null;
    this.flush();
  }

  /** A whole message goes in one write: Linux's xenbus device takes it whole, and never says when it is writable. */
  private flush(): void {
    if (this.unsent === null) return;
    const taken = this.stream.write(this.unsent);
    this.unsent = taken < this.unsent.length ? this.unsent.subarray(taken) : null;
    this.stream.onWritable(this.unsent && (() => this.flush()));
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
    const request = this.waiting[0];
    if (request?.requestId !== requestId) return;
    this.waiting.shift();
    if (this.waiting.length > 0) this.sendFirst();
    if (type !== messageTypes.error) request.resolve(payload);
    else request.reject(new PortError(errorCode(payload), request.operation, ''));
  }
}

const errorCode = (payload: Uint8Array): string => decodeStrings(payload).strings[0] ?? decodeText(payload);
