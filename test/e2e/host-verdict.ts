/** What must hold of a host when all tests have had their way with it. */
import type { Ran } from './ennead.ts';

/** How Xen writes a refusal of the policy down. No service needs a right that it has not: on a host without attackers there is none. */
export const REFUSAL_BY_XEN = /avc:\s+denied/;

/** Empty: the host was well to its end. `stopped`: of `ennead host stop`. */
export function complaintsAbout(stopped: Ran, serialLog: string): string[] {
  const refusals = serialLog.split('\n').filter((line) => REFUSAL_BY_XEN.test(line));
  return [
    ...(stopped.status === 0 ? [] : [`the host did not stop cleanly (${stopped.status}): ${stopped.stderr.trim()}`]),
    ...(refusals.length === 0 ? [] : [`Xen refused ${refusals.length} times, first: ${refusals[0]!.trim()}`]),
  ];
}
