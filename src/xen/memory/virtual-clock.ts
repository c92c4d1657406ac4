import type { Clock } from '../ports.ts';

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

/** Time that passes only when a test says so. */
export class VirtualClock implements Clock {
  private now = 0;
  private timers: Timer[] = [];

  /** `settle` lets everything that a timer set off come to rest before the next one. */
  constructor(private readonly settle: () => Promise<void>) {}

  nowMs(): number {
    return this.now;
  }

  wallClockMs(): number {
    return Date.UTC(2024, 0, 1) + this.now;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.now + delayMs, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  get timersLeft(): number {
    return this.timers.length;
  }

  async advance(durationMs: number): Promise<void> {
    const end = this.now + durationMs;
    await this.settle();
    for (let next = this.next(end); next; next = this.next(end)) {
      this.timers.splice(this.timers.indexOf(next), 1);
      this.now = next.atMs;
      next.run();
      await this.settle();
    }
    this.now = end;
  }

  private next(endMs: number): Timer | undefined {
    return this.timers.filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
  }
}
