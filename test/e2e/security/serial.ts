/** What the serial console of the attack machine says: the hostile VMs' reports, and Xen's own record of what it refused. */

export interface Answer {
  readonly domid: number;
  readonly actor: string;
  readonly attack: string;
  readonly target: string;
  /** `ok`, `hidden`, or the name of an errno. */
  readonly answer: string;
}

export interface Denial {
  readonly domid: number;
  /** The domain that it was aimed at, where Xen says so. */
  readonly target: number | null;
  readonly source: string;
  readonly on: string;
  readonly class: string;
  readonly permissions: string;
}

// The hardware domain's lines may be cut in two by Xen's, which may begin anywhere: nothing is anchored to a line's ends.
const ANSWER = /hostile: (\d+) ([\w-]+) ([\w-]+) ([\w-]+) (ok|hidden|E[A-Z0-9]+)/g;
const DONE = /hostile: (\d+) ([\w-]+) done (\d+)/g;
const ALIVE = /hostile: (\d+) alive/g;
const DENIAL =
  /avc:\s+denied\s+\{ ([\w ]+) \} for (?:source|current)=d(\d+) (?:target=d(\d+) )?.*?scontext=\S+?:(\w+) tcontext=\S+?:(\w+) tclass=(\w+)/g;

/** The hardware domain's text may come twice, by two of Linux's consoles: an answer counts once. */
export function answersIn(text: string): ReadonlyMap<string, Answer> {
  const found = [...text.matchAll(ANSWER)].map(([, domid, actor, attack, target, answer]) => ({
    domid: Number(domid),
    actor: actor!,
    attack: attack!,
    target: target!,
    answer: answer!,
  }));
  return new Map(found.map((entry) => [`${entry.actor} ${entry.attack} ${entry.target}`, entry]));
}

export const denialsIn = (text: string): Denial[] =>
  [...text.matchAll(DENIAL)].map(([, permissions, domid, target, source, on, className]) => ({
    domid: Number(domid),
    target: target === undefined ? null : Number(target),
    source: source!,
    on: on!,
    class: className!,
    permissions: permissions!,
  }));

/** Attempts by label, of those who say that they have finished. */
export const finishedIn = (text: string): ReadonlyMap<string, number> =>
  new Map([...text.matchAll(DONE)].map(([, , actor, count]) => [actor!, Number(count)]));

export const aliveIn = (text: string): ReadonlySet<number> =>
  new Set([...text.matchAll(ALIVE)].map(([, domid]) => Number(domid)));
