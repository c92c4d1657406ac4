/** One line on the serial console for each thing that the test has to know. The hardware domain's lines must be short: Xen cuts them. */
import * as rt from 'ennead:rt';
import { type Actor, attemptsOf, targetName } from '../plan.ts';
import { attack, type Offered } from './attacks.ts';
import type { Orders } from './knowledge.ts';

export const report = (domid: number, text: string): void => rt.log(`hostile: ${domid} ${text}`);

/** Tries everything under one label and says how many attempts that were. */
export function attackAs(actor: Actor, { domid, knowledge }: Orders, attempts = attemptsOf(actor)): Offered {
  const offered: Offered = new Map();
  attack(attempts, { self: domid, knowledge, offered }, ({ attack: name, target }, answer) =>
    report(domid, `${actor} ${name} ${targetName(target)} ${answer}`),
  );
  report(domid, `${actor} done ${attempts.length}`);
  return offered;
}

const HEARTBEAT_MS = 1_000;

export function stayAlive(domid: number): void {
  report(domid, 'alive');
  setTimeout(() => stayAlive(domid), HEARTBEAT_MS);
}
