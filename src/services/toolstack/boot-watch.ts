/**
 * The first seconds of a guest that was created: does it come up, or does it end before?
 *
 * What a guest shows of itself without our help is its devices: a back end is Connected once something in the guest has given it a ring,
 * be it a kernel or PV GRUB. A guest without devices shows the first line of its console. A kernel does both a moment before it looks for
 * its root file system and panics if there is none: so the guest is watched on until it rests.
 *
 * Of a guest whose PC is emulated nobody can see so much: it runs from its firmware's first instruction on, and is watched from then.
 */
import { PV_GRUB } from '../../contracts/builder.ts';
import { RpcError } from '../../kit/rpc.ts';
import type { DomId, ShutdownReason } from '../../xen/ports.ts';
import type { GuestConsole } from './console.ts';
import { type Device, onceConnected } from './devices.ts';
import { type GuestPorts, guestDevices } from './guest-domain.ts';
import type { GuestRecord } from './guest-record.ts';

export type EndReason = ShutdownReason | 'destroyed';

/** All in all. Whatever a guest does by then, it is left to itself: a slow guest is no broken one. */
export const BOOT_WATCH_MS = 30_000;
/** A guest that has shown itself and works on without a rest is up after this. */
export const SETTLE_MS = 5_000;
const LOOK_MS = 1_000;
/** Who uses less of its processors between two looks waits for somebody. */
const RESTING_NS = 100_000_000n;

export class BootWatch {
  private shown = false;
  private over = false;
  private tell: (failure: EndReason | null) => void = () => {};
  private readonly verdict = new Promise<EndReason | null>((resolve) => {
    this.tell = resolve;
  });

  constructor(private readonly ports: Pick<GuestPorts, 'clock' | 'domains' | 'xenstore' | 'log'>) {}

  /** Why the guest has failed to come up; null: it is up, slow, or has done its work already. */
  async watch(record: GuestRecord, console: GuestConsole): Promise<EndReason | null> {
    const cancel = this.ports.clock.after(BOOT_WATCH_MS, () => this.conclude(null));
    const stop = await this.onceShown(record, console, () => void this.settle(record.domid));
    try {
      return await this.verdict;
    } finally {
      cancel();
      await stop();
    }
  }

  /** The guest has ended. true: too early, so that its creation has failed. */
  ended(reason: EndReason): boolean {
    if (this.over) return false;
    const failed = !this.shown || reason === 'crash' || reason === 'watchdog';
    this.conclude(failed ? reason : null);
    return failed;
  }

  private conclude(failure: EndReason | null): void {
    this.over = true;
    this.tell(failure);
  }

  /** Resolves to the function that ends it. */
  private async onceShown(record: GuestRecord, console: GuestConsole, show: () => void): Promise<() => Promise<void>> {
    if (record.deviceModel !== null) {
      show();
      return async () => {};
    }
    const devices = devicesOfBoot(record);
    if (devices.length > 0) return onceConnected(this.ports, devices, show);
    const unwatch = console.watch({ output: show, ended: () => {} });
    return async () => unwatch();
  }

  private async settle(domid: DomId): Promise<void> {
    if (this.shown) return;
    this.shown = true;
    for (let waitedMs = 0; waitedMs < SETTLE_MS; waitedMs += LOOK_MS) {
      const before = this.workOf(domid);
      await new Promise<void>((resolve) => this.ports.clock.after(LOOK_MS, resolve));
      const after = this.workOf(domid);
      // It has ended: `ended` comes as soon as XenStore has the news.
      if (before === null || after === null) return;
      if (after - before < RESTING_NS) break;
    }
    this.conclude(null);
  }

  /** Its processors' time so far; null: it does not run any more. */
  private workOf(domid: DomId): bigint | null {
    const info = this.ports.domains.info(domid);
    return info && !info.dying && info.shutdown === null ? info.cpuTimeNs : null;
  }
}

/** PV GRUB knows disks only; the kernel that it loads connects the other devices much later. */
const isPvGrub = ({ config: { boot } }: GuestRecord): boolean => boot.type !== 'hvm' && boot.kernel === PV_GRUB;

function devicesOfBoot(record: GuestRecord): Device[] {
  const devices = guestDevices(record);
  return isPvGrub(record) ? devices.filter(({ kind }) => kind === 'vbd') : devices;
}

export function notBooting(
  guest: { readonly name: string; readonly console: GuestConsole; readonly record: GuestRecord | null },
  reason: EndReason,
): RpcError {
  const said = guest.console.lastLine();
  const preserved = guest.record?.phase === 'preserved' ? ' and is preserved' : '';
  const lastWords = said ? `it said last: ${said}` : 'it said nothing';
  return new RpcError(
    'guest-not-booting',
    `guest ${guest.name} ended while it started (${reason})${preserved}; ${lastWords}`,
  );
}
