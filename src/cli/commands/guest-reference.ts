/** How an operator names a guest. */
import { vmName } from '../../contracts/builder.ts';
import { CliError } from '../exit-codes.ts';

/** Digits are a domid, as xl has it. */
export function reference(guest: string): string | number {
  if (/^\d{1,5}$/.test(guest)) return Number(guest);
  if (vmName.safeParse(guest).success) return guest;
  throw new CliError('unknown-guest', `no guest can be called ${JSON.stringify(guest)}; see: ennead list`);
}
