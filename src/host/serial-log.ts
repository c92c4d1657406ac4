/** Follows the virtual host's serial line, which QEMU appends to a file. */
import { watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';

const READ_BYTES = 64 * 1024;

/** Yields whole lines, old ones first, until `signal` aborts; the file may not exist yet but its folder must. */
export async function* followLines(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const file = await open(path, 'a+');
  const changes = changeSignal(path, signal);
  const decoder = new StringDecoder('utf8');
  const buffer = Buffer.alloc(READ_BYTES);
  let position = 0;
  let partial = '';
  try {
    while (!signal.aborted) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES, position);
      if (bytesRead === 0) {
        await changes.next();
        continue;
      }
      position += bytesRead;
      const lines = (partial + decoder.write(buffer.subarray(0, bytesRead))).split(/\r?\n/);
      partial = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    changes.close();
    await file.close();
  }
}

/** `next()` resolves when the file has changed since the last call, or at the abort. */
function changeSignal(path: string, signal: AbortSignal): { next(): Promise<void>; close(): void } {
  let changed = false;
  let wake: (() => void) | null = null;
  const fire = () => {
    changed = true;
    wake?.();
  };
  const watcher = watch(path, fire);
  signal.addEventListener('abort', fire);
  return {
    next: () =>
      new Promise((resolve) => {
        const done = () => {
          changed = false;
          wake = null;
          resolve();
        };
        if (changed) done();
        else wake = done;
      }),
    close() {
      watcher.close();
      signal.removeEventListener('abort', fire);
    },
  };
}
