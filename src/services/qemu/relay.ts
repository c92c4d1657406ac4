/**
 * Bytes between one of QEMU's sockets and Toolstack. What QEMU writes is read only as fast as Toolstack takes it; what Toolstack sends waits up to
 * a bound, and more than that ends the connection: an operator types and clicks slowly, so QEMU does not read.
 */
import type { ByteStream } from '../../xen/ports.ts';

const READ_BYTES = 16 * 1024;
/** As much as two of the longest messages. */
const QUEUE_BYTES_MAX = 128 * 1024;

export interface RelayEnd {
  /** Resolves when more may come. */
  deliver(data: Uint8Array): Promise<void>;
  /** Once, unless this side closed it. */
  closed(): void;
}

export class Relay {
  private readonly queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private open = true;

  constructor(
    private readonly stream: ByteStream,
    private readonly end: RelayEnd,
  ) {
    this.listen();
  }

  write(data: Uint8Array): void {
    if (!this.open) return;
    this.queue.push(data);
    this.queuedBytes += data.length;
    if (this.queuedBytes > QUEUE_BYTES_MAX) this.shut();
    else this.flush();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.stream.onReadable(null);
    this.stream.onWritable(null);
    this.stream.close();
  }

  private listen(): void {
    if (this.open) this.stream.onReadable(() => this.read());
  }

  private read(): void {
    const data = this.attempt(() => this.stream.read(READ_BYTES));
    if (!data || !this.open) return;
    if (data.length === 0) {
      this.shut();
      return;
    }
    this.stream.onReadable(null);
    void this.end.deliver(data).then(() => this.listen());
  }

  private flush(): void {
    for (let first = this.queue[0]; first && this.open; first = this.queue[0]) {
      const bytes = first;
      const taken = this.attempt(() => this.stream.write(bytes));
      if (taken === null) return;
      this.queuedBytes -= taken;
      if (taken < bytes.length) {
        this.queue[0] = bytes.subarray(taken);
        this.stream.onWritable(() => this.flush());
        return;
      }
      this.queue.shift();
    }
    if (this.open) this.stream.onWritable(null);
  }

  /** A socket that fails is a closed one. */
  private attempt<T>(operation: () => T): T | null {
    try {
      return operation();
    } catch {
      this.shut();
      return null;
    }
  }

  private shut(): void {
    if (!this.open) return;
    this.close();
    this.end.closed();
  }
}
