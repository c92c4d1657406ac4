/** Ctrl+C and SIGTERM as an abort of the work under way, so that it can take away what it has begun. */

export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';

  constructor() {
    super('interrupted');
  }
}

/** Runs `work`; what fails after an interruption failed because of it. @throws InterruptedError */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new InterruptedError());
  // Not `once`: npm passes a Ctrl+C on that the terminal has sent already, and the second one must not end us half-way.
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    return await work(abort.signal);
  } catch (cause) {
    throw abort.signal.aborted ? abort.signal.reason : cause;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}
