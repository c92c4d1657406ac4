/** Watches a host boot, on its serial line. */
import { readFile } from 'node:fs/promises';
import type { HostDirectory } from './host-directory.ts';
import { HostError } from './host-error.ts';
import { processEnd } from './process-end.ts';
import { followLines } from './serial-log.ts';

export interface BootOptions {
  /** Told every line that a service logs. */
  readonly onServiceLine?: (line: string) => void;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 240_000;
const NO_ANSWER = `no answer in ${TIMEOUT_MS / 1000} s`;
const QEMU_ENDED = 'QEMU ended';
const READY = /ennead\[toolstack\]: ready/;
const FAILED = /ennead\[\w[\w-]*\]: failed: |\(XEN\) (Panic on CPU|.*Hardware Dom\d+ (crashed|shutdown))/;
const SERVICE_LINE = /ennead\[[\w-]+\]: /;

/** Resolves when Toolstack answers. @throws HostError, or the reason of the abort */
export async function bootFinished(directory: HostDirectory, pid: number, options: BootOptions): Promise<void> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(NO_ANSWER), TIMEOUT_MS);
  const ended = processEnd(pid, over.signal).then(() => over.abort(QEMU_ENDED));
  try {
    const watching = options.signal ? AbortSignal.any([over.signal, options.signal]) : over.signal;
    for await (const line of followLines(directory.serialLog, watching)) {
      if (SERVICE_LINE.test(line)) options.onServiceLine?.(line);
      if (READY.test(line)) return;
      if (FAILED.test(line)) throw bootFailed(directory, line.trim());
    }
    options.signal?.throwIfAborted();
    const qemuSays = over.signal.reason === QEMU_ENDED ? `: ${await lastLine(directory.qemuLog)}` : '';
    throw bootFailed(directory, `${over.signal.reason}${qemuSays}`);
  } finally {
    clearTimeout(timer);
    over.abort();
    await ended;
  }
}

function bootFailed(directory: HostDirectory, why: string): HostError {
  return new HostError('boot-failed', `the virtual host did not boot: ${why}. Its serial log: ${directory.serialLog}`);
}

async function lastLine(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim().split('\n').at(-1) || 'it said nothing';
}
