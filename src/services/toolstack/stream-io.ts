/** A non-blocking byte stream, awaited: for transfers, where one side must not run ahead of the other. */
import type { ByteStream } from '../../xen/ports.ts';

/** The other side has closed the stream before everything was said. */
export class StreamEnded extends Error {}

const READ_BYTES = 64 * 1024;
const NEWLINE = 10;
const EMPTY = new Uint8Array(0);

export class StreamReader {
  private rest: Uint8Array = EMPTY;

  constructor(private readonly stream: ByteStream) {}

  /** Up to the newline, which is taken but not part of the answer. */
  async line(bytesMax: number): Promise<Uint8Array> {
    for (;;) {
      const end = this.rest.indexOf(NEWLINE);
      if (end >= 0) {
        const line = this.rest.subarray(0, end);
        this.rest = this.rest.subarray(end + 1);
        return line;
      }
      if (this.rest.length > bytesMax) throw new StreamEnded(`a first line of more than ${bytesMax} bytes`);
      this.rest = joined(this.rest, await this.chunk());
    }
  }

  async exactly(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      if (this.rest.length === 0) this.rest = await this.chunk();
      const part = this.rest.subarray(0, length - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.rest = this.rest.subarray(part.length);
    }
    return bytes;
  }

  /** At least one byte, as soon as there is one. */
  async some(): Promise<Uint8Array> {
    return this.rest.length > 0 ? this.takeRest() : this.chunk();
  }

  /** What has been read but not been asked for. */
  takeRest(): Uint8Array {
    const rest = this.rest;
    this.rest = EMPTY;
    return rest;
  }

  private chunk(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const attempt = () => {
        try {
          const bytes = this.stream.read(READ_BYTES);
          if (bytes === null) return;
          this.stream.onReadable(null);
          if (bytes.length === 0) reject(new StreamEnded('the connection has ended'));
          else resolve(bytes);
        } catch (error) {
          this.stream.onReadable(null);
          reject(error);
        }
      };
      this.stream.onReadable(attempt);
    });
  }
}

/** Resolves when the stream has taken all of it. */
export function writeAll(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest = bytes;
    const attempt = () => {
      try {
        rest = rest.subarray(stream.write(rest));
        if (rest.length > 0) return;
        stream.onWritable(null);
        resolve();
      } catch (error) {
        stream.onWritable(null);
        reject(error);
      }
    };
    stream.onWritable(attempt);
  });
}

/** Output of somebody who cannot wait for the stream: it queues up to a bound. */
export class OutputQueue {
  private readonly waiting: Uint8Array[] = [];
  private bytes = 0;
  private started = false;
  private ending = false;

  /** `over` is called when everything is written after `end`, when the queue is full, or when the stream fails. */
  constructor(
    private readonly stream: ByteStream,
    private readonly bytesMax: number,
    private readonly over: () => void,
  ) {}

  push(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    if (this.bytes > this.bytesMax) this.stop();
    else {
      this.waiting.push(bytes);
      if (this.started) this.stream.onWritable(() => this.flush());
    }
  }

  /** Nothing is written before this: `first` goes ahead of everything. */
  start(first: Uint8Array): void {
    this.waiting.unshift(first);
    this.bytes += first.length;
    this.started = true;
    this.stream.onWritable(() => this.flush());
  }

  /** When all of it is written. */
  end(): void {
    this.ending = true;
    if (this.started && this.waiting.length === 0) this.stop();
  }

  private flush(): void {
    try {
      for (let first = this.waiting[0]; first; first = this.waiting[0]) {
        const taken = this.stream.write(first);
        this.bytes -= taken;
        if (taken < first.length) {
          this.waiting[0] = first.subarray(taken);
          return;
        }
        this.waiting.shift();
      }
      this.stream.onWritable(null);
      if (this.ending) this.stop();
    } catch {
      this.stop();
    }
  }

  private stop(): void {
    this.waiting.length = 0;
    this.stream.onWritable(null);
    this.over();
  }
}

/** `stream` with `bytes` in front of what it still has to say. */
export function replayed(stream: ByteStream, bytes: Uint8Array): ByteStream {
  let waiting = bytes;
  return {
    read(bytesMax) {
      if (waiting.length === 0) return stream.read(bytesMax);
      const part = waiting.subarray(0, bytesMax);
      waiting = waiting.subarray(part.length);
      return part;
    },
    onReadable(handler) {
      stream.onReadable(handler);
      if (handler && waiting.length > 0) queueMicrotask(handler);
    },
    write: (data) => stream.write(data),
    onWritable: (handler) => stream.onWritable(handler),
    close: () => stream.close(),
  };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
