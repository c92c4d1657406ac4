/** State's operations as functions: typed requests and answers over one exchange of bytes, looks also from the pages that State shows. */
import {
  type StateAnswer,
  type StateOperation,
  type StateRequest,
  stateOperations,
} from '../../contracts/xenstore-state.ts';
import { type Codec, decode, encode } from '../../wire/binary.ts';
import type { GrantRef, SharedRegion } from '../../xen/ports.ts';
import { lookAt } from './contents.ts';

export interface StateLink {
  /** One request to State and its answer. */
  exchange(message: Uint8Array): Uint8Array;
  /** Waits for State to end what an exchange that was cut short began. */
  settle(): void;
}

export class StateClient {
  constructor(
    private readonly link: StateLink,
    private readonly contents: SharedRegion,
  ) {}

  ask<O extends StateOperation>(operation: O, request: StateRequest<O>): StateAnswer<O> {
    return ask(this.link, operation, request);
  }

  /** A transaction sees something else than the pages show. */
  look(request: StateRequest<'look'>): StateAnswer<'look'> {
    this.link.settle();
    const seen = request.transaction === 0 ? lookAt(this.contents, request) : undefined;
    return seen ?? this.ask('look', request);
  }
}

/** Grants of the pages that State shows. */
export const contentsOf = (link: StateLink): readonly GrantRef[] => ask(link, 'contents', {}).refs;

/** A refusal or an answer that makes no sense is a bug of ours: it fails the handler, which is undone. */
function ask<O extends StateOperation>(link: StateLink, operation: O, request: StateRequest<O>): StateAnswer<O> {
  const [number, asked, answered] = stateOperations[operation] as readonly [number, Codec<unknown>, Codec<unknown>];
  const body = encode(asked, request);
  const message = new Uint8Array(1 + body.length);
  message[0] = number;
  message.set(body, 1);
  const answer = link.exchange(message);
  if (answer[0] !== number) throw new Error(`xenstore-state refused ${operation}`);
  return decode(answered, answer.subarray(1)) as StateAnswer<O>;
}
