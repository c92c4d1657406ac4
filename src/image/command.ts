/** Runs a build's commands: output to the step's log, the same environment everywhere, the whole process group killed on abort. */
import { spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { RunOptions } from './step.ts';

/** 2025-01-01: the date of everything we build. */
export const SOURCE_DATE_EPOCH = 1_735_689_600;

const PASSED_ON = /^(PATH|HOME|http_proxy|https_proxy|no_proxy|HTTP_PROXY|HTTPS_PROXY|NO_PROXY)$/;

/** Nothing of the user's locale, time zone or compiler flags may reach an artifact. */
export function buildEnvironment(): Record<string, string> {
  const passed = Object.entries(process.env).filter(([name]) => PASSED_ON.test(name)) as [string, string][];
  return {
    ...Object.fromEntries(passed),
    // sbin holds mke2fs, and is not on an ordinary user's path.
    PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`,
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    SOURCE_DATE_EPOCH: String(SOURCE_DATE_EPOCH),
    DEBIAN_FRONTEND: 'noninteractive',
  };
}

export class CommandLog {
  readonly path: string;
  readonly #stream: WriteStream;

  constructor(path: string) {
    this.path = path;
    this.#stream = createWriteStream(path);
  }

  line(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  bytes(chunk: Buffer): void {
    this.#stream.write(chunk);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#stream.end(resolve));
  }
}

/** Runs to its end and returns standard output; a status other than 0 throws. */
export function runCommand(
  argv: readonly string[],
  log: CommandLog,
  signal: AbortSignal,
  options: RunOptions = {},
): Promise<string> {
  const [program, ...args] = argv;
  if (program === undefined) throw new Error('empty command');
  log.line(`$ ${argv.join(' ')}`);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...buildEnvironment(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: !options.keepsTerminal,
    });
    const kill = (): void => {
      if (child.pid !== undefined) process.kill(options.keepsTerminal ? child.pid : -child.pid, 'SIGKILL');
    };
    signal.addEventListener('abort', kill, { once: true });
    const printed: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => {
      printed.push(chunk);
      log.bytes(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => log.bytes(chunk));
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', kill);
      if (code === 0) resolve(Buffer.concat(printed).toString('utf8'));
      else reject(new Error(`${program} ended with ${killedBy ?? `status ${code}`}`));
    });
  });
}

/** How much of a failed command's log the user sees at once. */
const LOG_TAIL_LINES = 12;

export async function lastLines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-LOG_TAIL_LINES);
}
