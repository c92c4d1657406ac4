/** The end of a process that is not our child. Linux tells only parents, so it is looked at. */
import { existsSync } from 'node:fs';

const LOOK_MS = 250;

/** Resolves when the process has ended, or at the abort. */
export async function processEnd(pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && existsSync(`/proc/${pid}`)) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, LOOK_MS);
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }
}

export async function endsWithin(pid: number, timeoutMs: number): Promise<boolean> {
  await processEnd(pid, AbortSignal.timeout(timeoutMs));
  return !existsSync(`/proc/${pid}`);
}
