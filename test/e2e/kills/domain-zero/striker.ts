/** When XenStore is struck and how: drawn from the seed, in clients' operations and milliseconds, while everybody works. */
import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../../src/contracts/domids.ts';
import type { DomId } from '../../../../src/xen/ports.ts';
import { clock } from '../../../../src/xen/real/adapter.ts';
import type { Random } from '../../../fuzz/random.ts';
import { clientDomids, type Strike, strikes } from '../plan.ts';
import type { Machine } from './machine.ts';

/** Of one client. */
const OPERATIONS_MAX = 20;
/** After an operation: somewhere within the next ones. */
const MIDST_MS = 30;
/** After a strike: what is struck is still starting. */
const START_MS = 1500;
/** One in so many strikes comes while what was struck is still starting. */
const SOONER = 3;
/** Process 1 gives up after five restarts in a minute. */
const RESTARTS_MAX = 4;
const RESTART_WINDOW_MS = 60_000;

/** Whose processes are killed. */
const killed: Readonly<Record<Strike, readonly DomId[]>> = {
  'logic-vm': [],
  'logic-process': [XENSTORE_LOGIC_DOMID],
  'state-process': [XENSTORE_STATE_DOMID],
  'both-processes': [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID],
  'state-process-and-logic-vm': [XENSTORE_STATE_DOMID],
};

/** Logic starts again by itself when State has. */
const restarted: Readonly<Record<Strike, readonly DomId[]>> = {
  'logic-vm': [],
  'logic-process': [XENSTORE_LOGIC_DOMID],
  'state-process': [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID],
  'both-processes': [XENSTORE_STATE_DOMID, XENSTORE_LOGIC_DOMID],
  'state-process-and-logic-vm': [XENSTORE_STATE_DOMID],
};

export class Striker {
  private readonly restartsMs = new Map<DomId, number[]>();

  constructor(
    private readonly machine: Machine,
    private readonly random: Random,
  ) {}

  /** What is struck is not waited for: the next strike may meet it while it starts. */
  async strike(announce: (strike: Strike) => void): Promise<void> {
    await this.awaitMoment();
    const strike = this.random.pick(strikes.filter((one) => !this.isTooMuch(one)));
    announce(strike);
    for (const domid of restarted[strike]) this.note(domid);
    const struck = killed[strike].map((domid) => this.kill(domid));
    if (strike.endsWith('logic-vm')) this.rebuildLogic();
    await Promise.all(struck);
  }

  private async awaitMoment(): Promise<void> {
    const isSooner = this.random.below(SOONER) === 0;
    if (!isSooner)
      await this.machine.bell(this.random.pick(clientDomids)).awaitMore(1 + this.random.below(OPERATIONS_MAX));
    const delayMs = this.random.below(isSooner ? START_MS : MIDST_MS);
    await new Promise<void>((resolve) => void clock.after(delayMs, resolve));
  }

  /** Resolves when a fresh process is there. */
  private kill(domid: DomId): Promise<void> {
    const bell = this.machine.bell(domid);
    const follows = bell.awaitMore(1);
    bell.ring();
    return follows;
  }

  private rebuildLogic(): void {
    this.machine.destroyLogic();
    this.machine.buildLogicAgain();
    this.restartsMs.delete(XENSTORE_LOGIC_DOMID);
  }

  private note(domid: DomId): void {
    this.restartsMs.set(domid, [...(this.restartsMs.get(domid) ?? []), clock.nowMs()]);
  }

  private isTooMuch(strike: Strike): boolean {
    const since = clock.nowMs() - RESTART_WINDOW_MS;
    const recent = (domid: DomId): number => (this.restartsMs.get(domid) ?? []).filter((atMs) => atMs > since).length;
    return restarted[strike].some((domid) => recent(domid) >= RESTARTS_MAX);
  }
}
