/** Messages over a byte stream, one to a line: JSON-RPC on standard streams or a socket. */
import { joinLine, LineSplitter } from '../wire/lines.ts';
import type { ByteStream } from '../xen/ports.ts';
import { type MessageTransport, RPC_MESSAGE_BYTES_MAX } from './rpc.ts';

const READ_BYTES = 64 * 1024;
/** What may wait for a slow reader before the connection is given up. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;

/** `output` is another stream than `input` where the two directions are two descriptors (stdin, stdout). */
export function lineTransport(
  input: ByteStream,
  output: ByteStream = input,
  bytesMax: number = RPC_MESSAGE_BYTES_MAX,
): MessageTransport {
  return new LineTransport(input, output, bytesMax);
}

class LineTransport implements MessageTransport {
  private readonly splitter: LineSplitter;
  private readonly closedHandlers: ((why: string) => void)[] = [];
  private readonly queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private closedWhy: string | null = null;

  constructor(
    private readonly input: ByteStream,
    private readonly output: ByteStream,
    bytesMax: number,
  ) {
    this.splitter = new LineSplitter(bytesMax);
  }

  /** Reading starts here, so that no message comes before somebody listens. */
  onMessage(handler: (message: Uint8Array) => void): void {
    this.input.onReadable(() => this.readAll(handler));
  }

  onClosed(handler: (why: string) => void): void {
    if (this.closedWhy === null) this.closedHandlers.push(handler);
    else handler(this.closedWhy);
  }

  send(message: Uint8Array): void {
    if (this.closedWhy !== null) return;
    const line = joinLine(message);
    this.queue.push(line);
    this.queuedBytes += line.length;
    if (this.queuedBytes > QUEUE_BYTES_MAX) this.end('the other side does not read');
    else this.flush();
  }

  close(): void {
    this.end('closed here');
  }

  private readAll(handler: (message: Uint8Array) => void): void {
    while (this.closedWhy === null) {
      const chunk = this.attempt(() => this.input.read(READ_BYTES));
      if (!chunk) return;
      const lines = chunk.length === 0 ? 'end of stream' : this.splitter.push(chunk);
      if (typeof lines === 'string') this.end(lines);
      else for (const line of lines) handler(line);
    }
  }

  private flush(): void {
    for (let first = this.queue[0]; first && this.closedWhy === null; first = this.queue[0]) {
      const bytes = first;
      const taken = this.attempt(() => this.output.write(bytes));
      if (taken === null) return;
      this.queuedBytes -= taken;
      if (taken < bytes.length) {
        this.queue[0] = bytes.subarray(taken);
        this.output.onWritable(() => this.flush());
        return;
      }
      this.queue.shift();
    }
    if (this.closedWhy === null) this.output.onWritable(null);
  }

  /** A stream that fails (EPIPE, ECONNRESET) is a closed one. */
  private attempt<T>(operation: () => T): T | null {
    try {
      return operation();
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  private end(why: string): void {
    if (this.closedWhy !== null) return;
    this.closedWhy = why;
    for (const stream of new Set([this.input, this.output])) {
      stream.onReadable(null);
      stream.onWritable(null);
      stream.close();
    }
    for (const handler of this.closedHandlers) handler(why);
  }
}
