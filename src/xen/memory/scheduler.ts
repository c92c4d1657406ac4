/**
 * Who runs next in the in-memory Xen. Event deliveries wait here; which one goes first is drawn from the seed, so that a failing
 * order can be replayed. Deliveries run between the promises of the test, or inside a domain's blocking wait.
 */
import type { DomId } from '../ports.ts';

export interface Delivery {
  readonly to: DomId;
  run(): void;
}

export class Scheduler {
  private readonly pending: Delivery[] = [];
  private readonly blocked = new Set<DomId>();
  private readonly random: () => number;
  private pumpQueued = false;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  add(delivery: Delivery): void {
    this.pending.push(delivery);
    if (this.pumpQueued) return;
    this.pumpQueued = true;
    queueMicrotask(() => {
      this.pumpQueued = false;
      while (this.runOne());
    });
  }

  /** Runs other domains until `done`; false when nobody can run any more. */
  runUntil(waiting: DomId, done: () => boolean): boolean {
    if (this.blocked.has(waiting)) throw new Error(`domain ${waiting} waits inside a wait`);
    this.blocked.add(waiting);
    try {
      while (!done()) if (!this.runOne()) return false;
      return true;
    } finally {
      this.blocked.delete(waiting);
      this.wake();
    }
  }

  /** Ends once no delivery and no promise is under way. Timers of the virtual clock stay where they are. */
  async settle(): Promise<void> {
    do await new Promise<void>((resolve) => setTimeout(() => resolve(), 0));
    while (this.pumpQueued || this.pending.length > 0);
  }

  private wake(): void {
    const next = this.pending.pop();
    if (next) this.add(next);
  }

  private runOne(): boolean {
    const ready = this.pending.filter((delivery) => !this.blocked.has(delivery.to));
    const chosen = ready[Math.floor(this.random() * ready.length)];
    if (!chosen) return false;
    this.pending.splice(this.pending.indexOf(chosen), 1);
    chosen.run();
    return true;
  }
}

/** Mulberry32: small, good enough to shuffle, the same everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
