/** Two ends of a byte stream: what one writes, the other reads. */
import type { ByteStream } from '../ports.ts';

export interface StreamPairOptions {
  /** Bytes that one direction holds before `write` takes no more. */
  readonly capacityBytes?: number;
  /** The most that one `read` returns, to split messages. */
  readonly readBytesMax?: number;
}

export function streamPair(options: StreamPairOptions = {}): [ByteStream, ByteStream] {
  const capacity = options.capacityBytes ?? 64 * 1024;
  const readMax = options.readBytesMax ?? capacity;
  const there = new Direction(capacity, readMax);
  const back = new Direction(capacity, readMax);
  return [new StreamEnd(back, there), new StreamEnd(there, back)];
}

/** Level-triggered, as epoll is: a handler is called again for as long as it leaves something undone. */
class Direction {
  private bytes: number[] = [];
  private ended = false;
  private notifying = false;
  onReadable: (() => void) | null = null;
  onWritable: (() => void) | null = null;

  constructor(
    private readonly capacity: number,
    private readonly readMax: number,
  ) {}

  read(bytesMax: number): Uint8Array | null {
    if (this.bytes.length === 0) return this.ended ? new Uint8Array(0) : null;
    const taken = Uint8Array.from(this.bytes.splice(0, Math.min(bytesMax, this.readMax)));
    this.notify();
    return taken;
  }

  write(bytes: Uint8Array): number {
    const taken = this.ended ? bytes.length : Math.min(bytes.length, this.capacity - this.bytes.length);
    if (!this.ended) this.bytes.push(...bytes.subarray(0, taken));
    this.notify();
    return taken;
  }

  end(): void {
    this.ended = true;
    this.notify();
  }

  notify(): void {
    if (this.notifying || !this.wanted) return;
    this.notifying = true;
    queueMicrotask(() => {
      this.notifying = false;
      if (this.bytes.length > 0 || this.ended) this.onReadable?.();
      if (this.bytes.length < this.capacity && !this.ended) this.onWritable?.();
      this.notify();
    });
  }

  private get wanted(): boolean {
    const readable = this.bytes.length > 0 || this.ended;
    const writable = this.bytes.length < this.capacity && !this.ended;
    return (readable && this.onReadable !== null) || (writable && this.onWritable !== null);
  }
}

class StreamEnd implements ByteStream {
  constructor(
    private readonly input: Direction,
    private readonly output: Direction,
  ) {}

  read(bytesMax: number): Uint8Array | null {
    return this.input.read(bytesMax);
  }

  write(bytes: Uint8Array): number {
    return this.output.write(bytes);
  }

  onReadable(handler: (() => void) | null): void {
    this.input.onReadable = handler;
    this.input.notify();
  }

  onWritable(handler: (() => void) | null): void {
    this.output.onWritable = handler;
    this.output.notify();
  }

  close(): void {
    this.input.onReadable = null;
    this.output.onWritable = null;
    this.input.end();
    this.output.end();
  }
}
