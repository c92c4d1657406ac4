/** What a build shows: one line per step, live on a terminal, plain elsewhere. */
import type { Artifact } from './step.ts';

export interface Progress {
  started(task: string): void;
  /** Of a step. */
  done(artifact: Artifact): void;
  /** Of whatever leaves no artifact. */
  ended(task: string, how: 'done' | 'failed'): void;
  note(line: string): void;
  /** Stops the live line; nothing may follow. */
  end(): void;
}

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Without a terminal, whatever takes long says this often that it is still at work. */
const HEARTBEAT_MS = 30_000;
const REDRAW_MS = 500;

export function createProgress(
  output: Output = process.stderr,
  nowMs: () => number = () => performance.now(),
): Progress {
  const running = new Map<string, number>();
  const live = output.isTTY === true;

  const erase = (): void => void (live && output.write('\r\x1b[K'));
  const draw = (): void => {
    if (!live || running.size === 0) return;
    const parts = [...running].map(([task, startedMs]) => `${task} ${seconds(nowMs() - startedMs)}`);
    output.write(`\r\x1b[K… ${parts.join(', ')}`.slice(0, (output.columns ?? 80) + 3));
  };
  const line = (text: string): void => {
    erase();
    output.write(`${text}\n`);
    draw();
  };
  const heartbeat = (): void => {
    for (const [task, startedMs] of running) line(`  still at ${task}, ${seconds(nowMs() - startedMs)}`);
  };
  const timer = setInterval(live ? draw : heartbeat, live ? REDRAW_MS : HEARTBEAT_MS);
  timer.unref();

  return {
    started: (task) => {
      running.set(task, nowMs());
      draw();
    },
    done: (artifact) => {
      running.delete(artifact.name);
      line(describe(artifact));
    },
    ended: (task, how) => {
      const startedMs = running.get(task) ?? nowMs();
      running.delete(task);
      line(row(how, task, seconds(nowMs() - startedMs)));
    },
    note: line,
    end: () => {
      clearInterval(timer);
      erase();
    },
  };
}

function describe({ cached, name, version, elapsedMs }: Artifact): string {
  const text = cached ? row('cached', name, '') : row('built', name, seconds(elapsedMs));
  return `${text}  ${version}`.trimEnd();
}

const row = (how: string, task: string, elapsed: string): string =>
  `${how.padEnd(7)} ${task.padEnd(28)} ${elapsed.padStart(8)}`;

export function seconds(elapsedMs: number): string {
  const whole = Math.floor(elapsedMs / 1000);
  return whole < 60 ? `${(elapsedMs / 1000).toFixed(1)} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
