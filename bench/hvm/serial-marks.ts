/** The virtual host's serial line as a clock: when each awaited line was heard, in ms of this process's own time. */
import { followLines } from '../../src/host/serial-log.ts';

const LINES_SHOWN = 20;
const FAILED = /\(XEN\) Panic on CPU|ennead\[[\w-]+\]: failed: |bench: failed: /;

export class SerialMarks {
  private readonly lines: { readonly text: string; readonly heardMs: number }[] = [];
  private taken = 0;
  private wake: () => void = () => undefined;
  private readonly over = new AbortController();
  private readonly following: Promise<void>;

  constructor(serialLog: string) {
    this.following = this.follow(serialLog);
  }

  /** Takes all lines up to the first that matches, and says when that was heard. @throws when another says that something failed, and when it takes too long */
  async heard(pattern: RegExp, timeoutMs: number, signal: AbortSignal): Promise<number> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    for (;;) {
      for (const line of this.lines.slice(this.taken)) {
        this.taken += 1;
        if (pattern.test(line.text)) return line.heardMs;
        if (FAILED.test(line.text)) throw new Error(`${line.text}\n${this.last()}`);
      }
      signal.throwIfAborted();
      if (until.aborted) throw new Error(`the host did not say ${pattern} in ${timeoutMs / 1000} s:\n${this.last()}`);
      await this.more(until);
    }
  }

  async close(): Promise<void> {
    this.over.abort();
    await this.following;
  }

  private last(): string {
    return this.lines
      .slice(-LINES_SHOWN)
      .map(({ text }) => text)
      .join('\n');
  }

  private more(until: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        until.removeEventListener('abort', wake);
        resolve();
      };
      this.wake = wake;
      until.addEventListener('abort', wake);
    });
  }

  private async follow(serialLog: string): Promise<void> {
    for await (const text of followLines(serialLog, this.over.signal)) {
      this.lines.push({ text, heardMs: performance.now() });
      this.wake();
    }
  }
}
