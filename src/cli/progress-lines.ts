/** What the operator reads while something takes its time. */
import { seconds } from '../image/progress.ts';
import type { CliEnvironment } from './environment.ts';
import type { Progress } from './transfer.ts';

const SERVICE_LINE = /ennead\[([\w-]+)\]: (.*?)\s*$/;

/** A line of the serial log without kernel's time stamp and Xen's domain number. */
export function milestone(serialLine: string): string {
  const [, service, what] = SERVICE_LINE.exec(serialLine) ?? [];
  return service === undefined ? serialLine.trim() : `${service}: ${what}`;
}

/** Lines with the time that has passed since this call. */
export function timedLines({ error, nowMs }: Pick<CliEnvironment, 'error' | 'nowMs'>): (line: string) => void {
  const begunMs = nowMs();
  return (line) => error(`${seconds(nowMs() - begunMs).padStart(9)}  ${line}\n`);
}

/** The host boots from now on; the function returned takes what its services log. */
export function bootLines(ports: Pick<CliEnvironment, 'error' | 'nowMs'>): (serialLine: string) => void {
  const say = timedLines(ports);
  say('the host boots');
  return (serialLine) => say(milestone(serialLine));
}

/** Shows each multiple of `step` percent once, the last one reached only. */
export function percentSteps(step: number, show: (percent: number) => void): Progress {
  let shown = 0;
  return (doneBytes, totalBytes) => {
    const percent = Math.floor((doneBytes / totalBytes) * (100 / step)) * step;
    if (percent <= shown) return;
    shown = percent;
    show(percent);
  };
}
