/**
 * A program: steps of several domains, one after the other. It is a value that both domain 0 and the test make from the same seed, so that only
 * what the servers say has to travel.
 */
import { BUILDER_DOMID, FIRST_GUEST_DOMID, TOOLSTACK_DOMID } from '../../../src/contracts/domids.ts';
import { messageTypes } from '../../../src/wire/xenstore-message.ts';
import type { DomId } from '../../../src/xen/ports.ts';

export type TypeName = keyof typeof messageTypes;

/** To Ennead it is Builder; xenstored is told by an option that this domain is privileged. Domain 0 is no client of either. */
export const PRIVILEGED: DomId = BUILDER_DOMID;
export const GUESTS = [FIRST_GUEST_DOMID, FIRST_GUEST_DOMID + 1, FIRST_GUEST_DOMID + 2] as const;
/** Who may ask what guests use, and set what they may: Toolstack. To xenstored it is the privileged domain that does so, as it can be told of one only. */
export const OPERATOR: DomId = TOOLSTACK_DOMID;
export const CLIENTS: readonly DomId[] = [PRIVILEGED, ...GUESTS];

export interface Ask {
  readonly do: 'ask';
  readonly by: DomId;
  readonly type: number;
  /** A character for each byte. */
  readonly payload: string;
  /** Which of the domain's transactions in this program, counted from its first; null: none. */
  readonly transaction: number | null;
}

export type Step =
  | Ask
  /** Many requests at once, as fast as the ring takes them; what is heard is how often each answer came. */
  | { readonly do: 'flood'; readonly by: DomId; readonly asks: readonly Ask[] }
  /** The domain asks for nothing: it breaks the protocol, and hears what the server thinks of it. */
  | { readonly do: 'break'; readonly by: DomId; readonly how: 'length' | 'index' }
  /** The privileged domain introduces another one with its real page and channel. */
  | { readonly do: 'introduce'; readonly domid: DomId }
  /** The domain asks for a new conversation, in a word of its ring; `introduced`: and is introduced again. */
  | { readonly do: 'reconnect'; readonly domid: DomId; readonly introduced: boolean }
  /** Xen shuts the domain down as if it had suspended itself, which the privileged domain watches. */
  | { readonly do: 'suspend'; readonly domid: DomId }
  /** Xen ends the domain. */
  | { readonly do: 'destroy'; readonly domid: DomId }
  /** Another domain gets the domid, and is introduced. */
  | { readonly do: 'rebuild'; readonly domid: DomId };

export interface Program {
  readonly name: string;
  /** Of a random one. */
  readonly seed?: number;
  readonly steps: readonly Step[];
}

/** `strings` end in a NUL each, `tail` does not. */
export const ask = (
  by: DomId,
  type: TypeName,
  strings: readonly string[],
  { tail = '', transaction = null }: { readonly tail?: string; readonly transaction?: number | null } = {},
): Ask => ({
  do: 'ask',
  by,
  type: messageTypes[type],
  payload: strings.map((text) => `${text}\0`).join('') + tail,
  transaction,
});

const names = new Map<number, string>(Object.entries(messageTypes).map(([name, type]) => [type, name]));

export const typeNameOf = (type: number): string => names.get(type) ?? `type ${type}`;

/** For people. */
export function describeStep(step: Step): string {
  if (step.do === 'flood') return `${step.by} floods: ${step.asks.length} × ${describeStep(step.asks[0]!)}`;
  if (step.do === 'break') return `${step.by} breaks the protocol: ${step.how}`;
  if (step.do !== 'ask') return `${step.do} ${step.domid}`;
  const { by, type, payload, transaction } = step;
  const within = transaction === null ? '' : ` in its transaction ${transaction}`;
  return `${by} ${typeNameOf(type)} ${shortened(JSON.stringify(payload.replaceAll('\0', '~')))}${within}`;
}

const SHOWN_MAX = 200;
const shortened = (text: string): string =>
  text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}… (${text.length})` : text;
