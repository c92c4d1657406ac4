/** What a hostile VM is told on its kernel's command line. An attacker who had to find these out would need more time, not more rights. */
import * as rt from 'ennead:rt';
import type { Label } from '../plan.ts';

export interface Knowledge {
  /** Each label's SID, in the order of `labels`: attackers may not ask Xen for them. */
  readonly sids: readonly number[];
  /** Some frame of a VM's memory, by domid. */
  readonly frames: ReadonlyMap<number, number>;
}

export interface Orders {
  readonly part: 'bootstrapper' | 'attacker' | 'victim';
  readonly enforcing: boolean;
  readonly domid: number;
  readonly label: Label;
  readonly knowledge: Knowledge;
}

const CMDLINE_BYTES_MAX = 4096;

export const ordersText = ({ part, enforcing, domid, label, knowledge }: Orders): string =>
  [
    `hostile.part=${part}`,
    `hostile.enforcing=${enforcing}`,
    `hostile.domid=${domid}`,
    `hostile.label=${label}`,
    `hostile.sids=${knowledge.sids.join(',')}`,
    `hostile.frames=${[...knowledge.frames].map((pair) => pair.join(':')).join(',')}`,
  ].join(' ');

/** Those of this VM. */
export function readOrders(): Orders {
  rt.mount('proc', '/proc', 'proc', {});
  const text = new TextDecoder().decode(rt.readFile('/proc/cmdline', CMDLINE_BYTES_MAX));
  const given = new Map([...text.matchAll(/hostile\.(\w+)=(\S*)/g)].map(([, key, value]) => [key!, value!]));
  const numbers = (list: string): number[] => list.split(/[,:]/).filter(Boolean).map(Number);
  const frames = numbers(given.get('frames') ?? '');
  return {
    part: given.get('part') as Orders['part'],
    enforcing: given.get('enforcing') === 'true',
    domid: Number(given.get('domid') ?? 0),
    label: (given.get('label') ?? 'bootstrapper') as Label,
    knowledge: {
      sids: numbers(given.get('sids') ?? ''),
      frames: new Map(frames.flatMap((domid, at) => (at % 2 === 0 ? [[domid, frames[at + 1]!] as const] : []))),
    },
  };
}
