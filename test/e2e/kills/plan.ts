/** What the parts of the kill test agree on: who takes part, the nodes by which they meet, the steps of a round, and what is said on the serial line. */
import { type BootParameters, numberParameter } from '../../../src/contracts/boot-parameters.ts';
import { BUILDER_DOMID, FIRST_GUEST_DOMID } from '../../../src/contracts/domids.ts';
import type { DomId } from '../../../src/xen/ports.ts';

/** The conductor is in Builder's place: the one that XenStore-Logic lets make nodes for others. */
export const CONDUCTOR_DOMID: DomId = BUILDER_DOMID;
const CLIENTS = 3;
export const clientDomids: readonly DomId[] = Array.from({ length: CLIENTS }, (_, n) => FIRST_GUEST_DOMID + n);

/** `logic-vm`: its domain is destroyed and built again at its domid. The others: SIGKILL for the service's process. */
export const strikes = [
  'logic-vm',
  'logic-process',
  'state-process',
  'both-processes',
  'state-process-and-logic-vm',
] as const;
export type Strike = (typeof strikes)[number];

export interface Orders {
  readonly seed: number;
  /** How often XenStore is struck. */
  readonly strikes: number;
}

export const readOrders = (parameters: BootParameters): Orders => ({
  seed: numberParameter(parameters, 'seed'),
  strikes: numberParameter(parameters, 'strikes'),
});

export const ordersParameters = ({ seed, strikes: count }: Orders): BootParameters => ({
  seed: String(seed),
  strikes: String(count),
});

/** Boot parameter of every VM but domain 0: the port that domain 0 has opened for it. */
export const BELL = 'bell';

/** What all clients watch. A new value starts them all. */
export const PHASE_NODE = '/kills/phase';
/** Every client adds to it, in transactions. */
export const COUNTER_NODE = '/kills/counter';
/** Each client writes its own, and watches those of the others. */
export const slotOf = (domid: DomId): string => `/kills/slots/${domid}`;
/** In a client's home: its own nodes, and its word that it has ended a phase. */
export const OWN_NODES = 'own';
export const REPORT_NODE = 'report';

/**
 * A round. `work`: the load. `quiet`: nobody works any more, and what was told until now does not count. `last`: each writes its slot once, and waits until it
 * is told of those of the others. `settled`: nobody may have been told anything twice.
 */
export const steps = ['work', 'quiet', 'last', 'settled'] as const;

export interface Phase {
  readonly round: number;
  readonly step: (typeof steps)[number];
}

export interface Report extends Phase {
  /** How many there were since the client's start, and how many of them have added 1 to the counter. */
  readonly operations: number;
  readonly increments: number;
}

export interface Outcome {
  readonly rounds: number;
  readonly operations: number;
  readonly increments: number;
  /** As the store counts them. */
  readonly stateStarts: number;
  readonly logicStarts: number;
}

const STRIKE = /\bstrike (\d+): ([\w-]+)/;
const OUTCOME = /\bsurvived (\{.*\})/;

export const encodeStrike = (number: number, strike: Strike): string => `strike ${number}: ${strike}`;
export const encodeOutcome = (outcome: Outcome): string => `survived ${JSON.stringify(outcome)}`;

/** null: another line. */
export const decodeStrike = (line: string): string | null => STRIKE.exec(line)?.[2] ?? null;

export function decodeOutcome(line: string): Outcome | null {
  const [, text] = OUTCOME.exec(line) ?? [];
  return text === undefined ? null : JSON.parse(text);
}
