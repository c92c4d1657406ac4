/** Bytes from one descriptor to another, by a program that understands none of them. */
import * as rt from 'ennead:rt';

const CHUNK_BYTES = 64 * 1024;

/** Reads the next chunk only when the last one has been taken whole. `ended`: nothing more comes, or nobody takes it. */
export function carry(from: number, to: number, ended: () => void): void {
  let waiting: Uint8Array = new Uint8Array(0);
  const push = (): void => {
    waiting = waiting.subarray(rt.write(to, waiting));
    rt.onWritable(to, waiting.length > 0 ? guarded(push) : null);
    rt.onReadable(from, waiting.length > 0 ? null : guarded(pull));
  };
  const pull = (): void => {
    const bytes = rt.read(from, CHUNK_BYTES);
    if (bytes === null) return;
    if (bytes.length === 0) {
      rt.onReadable(from, null);
      ended();
      return;
    }
    waiting = bytes;
    push();
  };
  /** A receiver that has gone ends this direction; the other one may still have something to say. */
  const guarded = (step: () => void) => () => {
    try {
      step();
    } catch {
      rt.onReadable(from, null);
      rt.onWritable(to, null);
      ended();
    }
  };
  rt.onReadable(from, guarded(pull));
}
