/**
 * XenStore-Logic's VM, which ends without anybody being told: the news of dead domains goes to itself. So Builder asks Xen for it, and builds it again at
 * its domid when it has ended. Nothing here waits for XenStore, which is not there meanwhile; clients' requests wait in their rings, Builder's own too,
 * and the new Logic finds connections, watches and transactions with XenStore-State.
 */
import { BUILDER_DOMID, XENSTORE_LOGIC_DOMID } from '../../contracts/domids.ts';
import { logicBuild, serviceDomain } from '../../kit/service-vm.ts';
import { type DomainInfo, VIRQ_DOM_EXC } from '../../xen/ports.ts';
import type { Ledger } from './ledger.ts';
import type { BuilderPorts } from './ports.ts';
import { buildersAccess } from './vms.ts';
import { trustOf } from './xenstore-homes.ts';

/** An end is noticed so late at most. One hypercall. */
const LOOK_MS = 500;
/** From one rebuild to the next; doubled each time. */
const FIRST_WAIT_MS = 2000;
const REBUILDS_MAX = 6;
/** What has run for so long is well, and its end a first one again. Process 1 takes up to a minute to give up. */
const WELL_MS = 120_000;

export class LogicVm {
  /** Since it was last well. */
  private rebuilds = 0;
  private builtMs = Number.NEGATIVE_INFINITY;

  /** `introduce`: XenStore-Logic's boot parameter. */
  constructor(
    private readonly ports: Pick<BuilderPorts, 'domains' | 'clock' | 'store' | 'log'>,
    private readonly ledger: Ledger,
    private readonly introduce: string,
  ) {}

  /** From now on, until it has ended too often. */
  keep(): void {
    this.ports.clock.after(LOOK_MS, () => {
      if (this.look()) this.keep();
    });
  }

  /** false: there is no use in looking again. */
  private look(): boolean {
    const { domains, clock, log } = this.ports;
    const info = domains.info(XENSTORE_LOGIC_DOMID);
    const sinceMs = clock.nowMs() - this.builtMs;
    if (isAtWork(info)) {
      if (sinceMs >= WELL_MS) this.rebuilds = 0;
    } else if (this.rebuilds === REBUILDS_MAX) {
      log(`xenstore-logic has ended again after ${REBUILDS_MAX} rebuilds, and stays so: restart the host`);
      return false;
    } else if (this.rebuilds === 0 || sinceMs >= FIRST_WAIT_MS * 2 ** (this.rebuilds - 1)) this.rebuild(info);
    return true;
  }

  private rebuild(before: DomainInfo | null): void {
    const { domains, clock, log } = this.ports;
    log(`xenstore-logic has ended (${before?.shutdown ?? 'half built'}): building it again`);
    this.rebuilds += 1;
    this.builtMs = clock.nowMs();
    try {
      if (before) domains.destroy(XENSTORE_LOGIC_DOMID);
      domains.create(serviceDomain('xenstore-logic', XENSTORE_LOGIC_DOMID));
      // Before it looks for the first time who has died.
      domains.setVirqHandler(XENSTORE_LOGIC_DOMID, VIRQ_DOM_EXC);
      domains.build(logicBuild(this.introduce));
      domains.unpause(XENSTORE_LOGIC_DOMID);
      log('xenstore-logic loaded');
    } catch (error) {
      log(`xenstore-logic could not be built: ${String(error)}`);
    }
    this.tell(this.builtMs).catch((error: unknown) => log(`xenstore-logic's trust record: ${String(error)}`));
  }

  /** Comes about when XenStore answers again. */
  private async tell(noticedMs: number): Promise<void> {
    const { clock, store, log } = this.ports;
    const entry = this.ledger.get(XENSTORE_LOGIC_DOMID);
    if (!entry) return;
    const record = { ...entry.record, parent: BUILDER_DOMID, memoryAccess: [buildersAccess] };
    this.ledger.put({ ...entry, record, since: new Date(clock.wallClockMs()).toISOString() });
    await store.make([trustOf(record)]);
    log(`XenStore answers again, ${Math.round(clock.nowMs() - noticedMs)} ms after it was missed`);
  }
}

/** One that is paused was left half built by a Builder that ended: nobody else may pause it. */
const isAtWork = (info: DomainInfo | null): boolean =>
  info !== null && !info.dying && !info.paused && info.shutdown === null;
