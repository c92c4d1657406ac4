/** What the operator reads while the host and the guest come up. */
import type { Progress } from '../transfer.ts';

const SERVICE_LINE = /ennead\[([\w-]+)\]: (.*?)\s*$/;

/** A line of the serial log without kernel's time stamp and Xen's domain number. */
export function milestone(serialLine: string): string {
  const [, service, what] = SERVICE_LINE.exec(serialLine) ?? [];
  return service === undefined ? serialLine.trim() : `${service}: ${what}`;
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
