/**
 * Ports that end their user after a given number of operations, as when Xen destroys a VM or the kernel kills a process: what was done is done,
 * and nothing more happens. Whatever the user tries afterwards, to tidy up as well, does nothing either.
 */
import type { Grants, SharedRegion } from '../../../src/xen/ports.ts';

/** No `Error`: nobody is to take it for one of the ports'. */
export const KILLED = Symbol('killed');

export class Life {
  /** Operations that are left. */
  spent = 0;
  private left = Number.POSITIVE_INFINITY;
  private untilInterruption = Number.POSITIVE_INFINITY;
  private interruption: () => void = () => undefined;

  endAfter(operations: number): void {
    this.left = operations;
  }

  /** Once, something else happens between one operation and the next. */
  interruptAfter(operations: number, interruption: () => void): void {
    this.untilInterruption = operations;
    this.interruption = interruption;
  }

  private spend(): void {
    this.spent += 1;
    this.untilInterruption -= 1;
    if (this.untilInterruption === 0) this.interruption();
    if (this.isOver) throw KILLED;
    this.left -= 1;
  }

  get isOver(): boolean {
    return this.left <= 0;
  }

  /** Every method of `object`, as long as the life lasts. */
  mortal<T extends object>(object: T): T {
    const spend = (): void => this.spend();
    return new Proxy(object, {
      get(target, name) {
        const value = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          spend();
          return Reflect.apply(value, target, args);
        };
      },
    });
  }

  mortalGrants(grants: Grants): Grants {
    return this.mortal({
      map: (...args: Parameters<Grants['map']>): SharedRegion => this.mortal(grants.map(...args)),
      share: (...args: Parameters<Grants['share']>) => {
        const { region, refs } = grants.share(...args);
        return { region: this.mortal(region), refs };
      },
      keep: (...args: Parameters<Grants['keep']>) => {
        const { region, refs } = grants.keep(...args);
        return { region: this.mortal(region), refs };
      },
    });
  }

  /** `run` ends quietly when the life does in it. */
  within(run: () => void, onEnd: () => void): void {
    try {
      run();
    } catch (error) {
      if (error !== KILLED) throw error;
      onEnd();
    }
  }
}
