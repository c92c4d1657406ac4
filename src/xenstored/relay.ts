/** Joins two byte streams. Of each direction at most one read waits here; whoever does not take it holds the other side up, and nobody else. */
import type { ByteStream } from '../xen/ports.ts';

const READ_BYTES = 4096;

/** `ended` is called once: when one of them has ended or failed. Both are left open. */
export function relay(one: ByteStream, other: ByteStream, ended: (why: string) => void): void {
  let running = true;
  const end = (why: string): void => {
    if (!running) return;
    running = false;
    for (const stream of [one, other]) {
      stream.onReadable(null);
      stream.onWritable(null);
    }
    ended(why);
  };
  const orEnd = (work: () => void) => (): void => {
    try {
      if (running) work();
    } catch (error) {
      end(String(error));
    }
  };
  const carry = (from: ByteStream, to: ByteStream): void => {
    let waiting: Uint8Array = new Uint8Array(0);
    const flush = (): void => {
      waiting = waiting.subarray(to.write(waiting));
      to.onWritable(waiting.length > 0 ? orEnd(flush) : null);
      from.onReadable(waiting.length > 0 ? null : orEnd(read));
    };
    const read = (): void => {
      const bytes = from.read(READ_BYTES);
      if (bytes?.length === 0) end('closed by the other side');
      if (!bytes?.length) return;
      waiting = bytes;
      flush();
    };
    from.onReadable(orEnd(read));
  };
  carry(one, other);
  carry(other, one);
}
