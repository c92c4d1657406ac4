/** What guests may use, as words of a command line: xenstored's options for the starter, `name=value` for State's program. */
import {
  boundsText,
  guestLimits,
  isWithinBounds,
  type LimitName,
  type Limits,
  limitNames,
} from '../contracts/xenstore-limits.ts';
import { limitNamed } from '../contracts/xenstore-quota.ts';

/** As xenstored spells them. @source tools/xenstore/xenstored_core.c, options */
export const limitOptions = {
  'entry-nb': { type: 'string', short: 'E' },
  'entry-size': { type: 'string', short: 'S' },
  'watch-nb': { type: 'string', short: 'W' },
  transaction: { type: 'string', short: 't' },
  'perm-nb': { type: 'string', short: 'A' },
  'path-max': { type: 'string', short: 'M' },
  quota: { type: 'string', short: 'Q', multiple: true },
  'quota-soft': { type: 'string', short: 'q', multiple: true },
} as const;

type Given = { readonly [O in keyof typeof limitOptions]?: string | readonly string[] | undefined };

const named: Readonly<Record<string, LimitName>> = {
  'entry-nb': 'nodes',
  'entry-size': 'node-size',
  'watch-nb': 'watches',
  transaction: 'transactions',
  'perm-nb': 'permissions',
  'path-max': 'path-max',
};

/** For `limitsFromArguments`. Throws what is wrong with an option. */
export function limitArguments(given: Given): string[] {
  return Object.entries(given)
    .flatMap(([option, values]) => [values ?? []].flat().map((value) => [option, value] as const))
    .map(([option, value]) => {
      const [what = '', amount = ''] = option in named ? [named[option], value] : value.split('=');
      const name = option in named ? named[option] : limitNamed(option === 'quota' ? 'quota' : 'quota-soft', what);
      if (!name) throw new Error(`--${option} ${value}: there is no such quota`);
      if (!/^\d{1,9}$/.test(amount) || !isWithinBounds(name, Number(amount)))
        throw new Error(`--${option} ${value}: ${boundsText(name)}`);
      return `${name}=${amount}`;
    });
}

export function limitsFromArguments(args: readonly string[]): Limits {
  const values = { ...guestLimits };
  for (const word of args) {
    const [called, amount] = word.split('=');
    const name = limitNames.find((one) => one === called);
    if (!name || !isWithinBounds(name, Number(amount))) throw new Error(`which limit? ${word}`);
    values[name] = Number(amount);
  }
  return values;
}
