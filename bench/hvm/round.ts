/** One round on one booted host: guests come and go, and the last one measures. */
import { DISK_READ_MIB, DISK_WRITE_MIB, DOWNLOAD_MIB, type Mark, marks } from './plan.ts';
import type { Side } from './side.ts';
import type { Figures } from './table.ts';

/** The first guest after a boot reads QEMU from the disk, those after it find it in memory. */
const CREATED_AGAIN = 2;
const MARK_MS = 600_000;
const S = 1000;

export async function measureRound(
  side: Side,
  port: number,
  say: (what: string) => void,
  signal: AbortSignal,
): Promise<Figures> {
  const heard = (mark: Mark): Promise<number> => side.serial.heard(marks[mark], MARK_MS, signal);
  const create = async (): Promise<{ startMs: number; runsMs: number; biosMs: number }> => {
    const startMs = performance.now();
    const created = side.create(port);
    created.catch(() => undefined);
    const runsMs = await heard('processorRuns');
    await heard('biosStarts');
    const biosMs = await heard('biosOnScreen');
    await created;
    return { startMs, runsMs, biosMs };
  };
  const first = await create();
  say(`first guest's BIOS on the screen after ${((first.biosMs - first.startMs) / S).toFixed(1)} s`);
  let last = first;
  let destroyMs = 0;
  for (let again = 0; again < CREATED_AGAIN; again++) {
    const destroyedAtMs = performance.now();
    await side.destroy();
    destroyMs = performance.now() - destroyedAtMs;
    last = await create();
    say(`again after ${((last.biosMs - last.startMs) / S).toFixed(1)} s`);
  }
  const linuxMs = await heard('linuxRuns');
  say(`its Linux runs after ${((linuxMs - last.startMs) / S).toFixed(1)} s`);
  const span = async (begins: Mark, ends: Mark, mib: number): Promise<number> => {
    const beginsMs = await heard(begins);
    const rate = mib / (((await heard(ends)) - beginsMs) / S);
    say(`${begins.replace('Begins', '')}: ${rate.toFixed(2)} MiB/s`);
    return rate;
  };
  const read = await span('readBegins', 'readEnds', DISK_READ_MIB);
  const write = await span('writeBegins', 'writeEnds', DISK_WRITE_MIB);
  const download = await span('downloadBegins', 'downloadEnds', DOWNLOAD_MIB);
  return {
    firstBios: (first.biosMs - first.startMs) / S,
    runs: (last.runsMs - last.startMs) / S,
    bios: (last.biosMs - last.startMs) / S,
    linux: (linuxMs - last.biosMs) / S,
    destroy: destroyMs / S,
    read,
    write,
    download,
    qemuMib: await side.qemuMib(),
  };
}
