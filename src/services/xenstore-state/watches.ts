/** Who watches what. Special paths (@releaseDomain) are watched by name; all others with everything below. */
import { isSpecial, parentOf, ROOT } from '../../contracts/xenstore-paths.ts';
import { watchBytes } from '../../contracts/xenstore-quota.ts';
import { type Decoded, flag, list, struct, text, u16 } from '../../wire/binary.ts';
import type { Accounts } from './accounts.ts';

const watch = struct({ domid: u16, path: text, token: text, relative: flag });
export type Watch = Decoded<typeof watch>;
/** In the order in which they were set. */
export const savedWatches = list(watch);

interface Placed extends Watch {
  /** Counts upwards: events come in the order in which the watches were set, as with xenstored. */
  readonly order: number;
}

const same = (a: Watch, domid: number, token: string): boolean => a.domid === domid && a.token === token;

export class Watches {
  private readonly byPath = new Map<string, Placed[]>();
  private lastOrder = 0;
  private readonly counts = new Map<number, number>();

  constructor(private readonly accounts: Accounts) {}

  countOf(domid: number): number {
    return this.counts.get(domid) ?? 0;
  }

  domids(): number[] {
    return [...this.counts.keys()];
  }

  has({ domid, path, token }: Watch): boolean {
    return this.exact(path).some((watch) => same(watch, domid, token));
  }

  add(watch: Watch): void {
    this.lastOrder += 1;
    this.byPath.set(watch.path, [...this.at(watch.path), { ...watch, order: this.lastOrder }]);
    this.count(watch, 1);
  }

  /** false: there is none. */
  remove(domid: number, path: string, token: string): boolean {
    return this.keep(path, (watch) => !same(watch, domid, token)) > 0;
  }

  forget(domid: number): void {
    // Whoever is introduced has none, and there may be thousands of others'.
    if (!this.counts.has(domid)) return;
    for (const path of [...this.byPath.keys()]) this.keep(path, (watch) => watch.domid !== domid);
  }

  /** Those that a change of `path` concerns: at it and above it. */
  concerned(path: string): readonly Watch[] {
    const found: Placed[] = [];
    for (let at = path; ; at = parentOf(at)) {
      const here = this.byPath.get(at);
      if (here) found.push(...here);
      if (at === ROOT || isSpecial(at)) break;
    }
    return found.length > 1 ? found.sort((a, b) => a.order - b.order) : found;
  }

  exact(path: string): readonly Watch[] {
    return this.at(path);
  }

  save(): Decoded<typeof savedWatches> {
    return [...this.byPath.values()].flat().sort((a, b) => a.order - b.order);
  }

  load(saved: Decoded<typeof savedWatches>): void {
    for (const one of saved) this.add(one);
  }

  private at(path: string): readonly Placed[] {
    return this.byPath.get(path) ?? [];
  }

  private keep(path: string, wanted: (watch: Watch) => boolean): number {
    const there = this.at(path);
    const kept = there.filter(wanted);
    if (kept.length === 0) this.byPath.delete(path);
    else this.byPath.set(path, kept);
    for (const gone of there.filter((watch) => !wanted(watch))) this.count(gone, -1);
    return there.length - kept.length;
  }

  private count({ domid, path, token }: Watch, times: 1 | -1): void {
    const count = this.countOf(domid) + times;
    if (count === 0) this.counts.delete(domid);
    else this.counts.set(domid, count);
    this.accounts.add(domid, times * watchBytes(path, token));
  }
}
