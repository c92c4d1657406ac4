/** What a build shows: one line per step, live on a terminal, plain elsewhere. */
import type { Artifact } from './step.ts';

export interface Progress {
  started(step: string): void;
  done(artifact: Artifact): void;
  failed(step: string): void;
  note(line: string): void;
  /** Stops the live line; nothing may follow. */
  end(): void;
}

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Without a terminal, a long step says this often that it is still at work. */
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
    const parts = [...running].map(([step, startedMs]) => `${step} ${seconds(nowMs() - startedMs)}`);
    output.write(`\r\x1b[K… ${parts.join(', ')}`.slice(0, (output.columns ?? 80) + 3));
  };
  const line = (text: string): void => {
    erase();
    output.write(`${text}\n`);
    draw();
  };
  const heartbeat = (): void => {
    for (const [step, startedMs] of running) line(`  still at ${step}, ${seconds(nowMs() - startedMs)}`);
  };
  const timer = setInterval(live ? draw : heartbeat, live ? REDRAW_MS : HEARTBEAT_MS);
  timer.unref();

  return {
    started: (step) => {
      running.set(step, nowMs());
      draw();
    },
    done: (artifact) => {
      running.delete(artifact.name);
      line(describe(artifact));
    },
    failed: (step) => {
      const startedMs = running.get(step) ?? nowMs();
      running.delete(step);
      line(`failed  ${step.padEnd(28)} ${seconds(nowMs() - startedMs).padStart(8)}`);
    },
    note: line,
    end: () => {
      clearInterval(timer);
      erase();
    },
  };
}

function describe(artifact: Artifact): string {
  const how = artifact.cached ? 'cached ' : 'built  ';
  const elapsed = artifact.cached ? '' : seconds(artifact.elapsedMs);
  return `${how} ${artifact.name.padEnd(28)} ${elapsed.padStart(8)}  ${artifact.version}`.trimEnd();
}

export function seconds(elapsedMs: number): string {
  const whole = Math.floor(elapsedMs / 1000);
  return whole < 60 ? `${(elapsedMs / 1000).toFixed(1)} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
