/**
 * What an operator's SSH session runs, as an unprivileged process of its own: it carries bytes between its standard streams and
 * Toolstack's socket, and understands none of them.
 */
import * as rt from 'ennead:rt';
import { TOOLSTACK_SOCKET } from './ssh-server.ts';

const STDIN = 0;
const STDOUT = 1;
const CHUNK_BYTES = 64 * 1024;

const socket = rt.unixConnect(TOOLSTACK_SOCKET);

/** Reads the next chunk only when the last one has been taken whole. */
function carry(from: number, to: number, ended: () => void): void {
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

carry(STDIN, socket, () => {
  try {
    rt.shutdownWrite(socket);
  } catch {
    // Toolstack has closed its end already.
  }
});
carry(socket, STDOUT, () => rt.exit(0));
