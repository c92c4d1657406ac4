/** Whoever looks at a terminal is told that the host is still at work: a line that is gone when the work is done. */
import { seconds } from '../image/progress.ts';
import type { CliEnvironment } from './environment.ts';

export type Onlooker = Pick<CliEnvironment, 'errorIsTerminal' | 'error' | 'nowMs'>;

const FIRST_MS = 2000;
const EACH_MS = 500;
const ERASE_LINE = '\r\x1b[K';

/** `what`: the line's beginning. */
export async function patiently<T>({ errorIsTerminal, error, nowMs }: Onlooker, what: string, work: Promise<T>) {
  if (!errorIsTerminal) return work;
  const begunMs = nowMs();
  let shown = false;
  const timer = setInterval(() => {
    const waitedMs = nowMs() - begunMs;
    if (waitedMs < FIRST_MS) return;
    shown = true;
    error(`${ERASE_LINE}${what}, ${seconds(waitedMs)}`);
  }, EACH_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (shown) error(ERASE_LINE);
  }
}
