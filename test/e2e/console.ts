/** A guest's console through `ennead console`, driven like a person: wait for words, type a line. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ENNEAD } from './ennead.ts';

const TEXT_MAX = 1024 * 1024;

/**
 * `script` gives its command a terminal of its own and ends with the command's status. It is in Debian's bsdutils, which is always there.
 * No word of ours holds a quote.
 */
const onTerminal = (argv: readonly string[]): string[] => {
  const command = argv.map((word) => `'${word}'`).join(' ');
  return ['script', '--quiet', '--return', '--command', command, '/dev/null'];
};

export class GuestConsole {
  #text = '';
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #closed: Promise<unknown>;
  #wake: () => void = () => {};

  /** `command`: another one that ends up on the guest's console. `terminal`: whether it has one, as a person's command has. */
  constructor(guest: string, command: readonly string[] = ['console', guest], terminal: 'none' | 'own' = 'none') {
    const argv = [process.execPath, ENNEAD, ...command];
    const [program, ...args] = terminal === 'own' ? onTerminal(argv) : argv;
    this.#child = spawn(program!, args);
    this.#closed = once(this.#child, 'close');
    const more = (chunk: Buffer) => {
      this.#text = (this.#text + chunk.toString('latin1')).slice(-TEXT_MAX);
      this.#wake();
    };
    this.#child.stdout.on('data', more);
    this.#child.stderr.on('data', more);
    this.#child.on('exit', () => this.#wake());
  }

  /** Waits for the pattern in what came since the last match, and takes everything up to it. */
  async expect(pattern: RegExp, timeoutMs = 120_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) {
        this.#text = this.#text.slice(match.index + match[0].length);
        return match;
      }
      const left = deadline - Date.now();
      if (left <= 0 || this.#child.exitCode !== null) {
        throw new Error(`the console did not show ${pattern}; its last lines:\n${this.#text.slice(-2000)}`);
      }
      await this.#changed(left);
    }
  }

  send(line: string): void {
    this.type(`${line}\n`);
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** Whether the pattern is in what came since the last match. */
  shows(pattern: RegExp): boolean {
    return pattern.test(this.#text);
  }

  /** How the command ended, once it has by itself. */
  async status(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }

  /** Types a command and waits for the next prompt; returns what stood between. */
  async command(line: string, prompt: RegExp, timeoutMs?: number): Promise<string> {
    this.send(line);
    const { input } = await this.expectKeeping(prompt, timeoutMs);
    return input;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    this.#child.kill('SIGTERM');
    await ended;
  }

  private async expectKeeping(prompt: RegExp, timeoutMs?: number): Promise<{ input: string }> {
    const match = await this.expect(new RegExp(`([\\s\\S]*?)${prompt.source}`, prompt.flags), timeoutMs);
    return { input: match[1] ?? '' };
  }

  #changed(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
