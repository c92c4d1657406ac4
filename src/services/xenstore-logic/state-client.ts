/** State's operations as functions: typed requests and answers over one exchange of bytes, looks also from the pages that State shows. */
import {
  CHANGE,
  changeHeader,
  type StateAnswer,
  type StateOperation,
  type StateQuery,
  type StateRequest,
  stateOperations,
} from '../../contracts/xenstore-state.ts';
import { type Codec, type Decoded, decode, encode, u8, type Writer } from '../../wire/binary.ts';
import type { SharedRegion } from '../../xen/ports.ts';
import type { Change } from './changes.ts';
import { ShownContents } from './contents.ts';

export interface StateLink {
  /** One request to State and its answer. */
  exchange(message: Uint8Array): Uint8Array;
  /** After a handler that was cut short: waits for State to end what its exchange began. */
  settle(): void;
  /** Throws when State has started again: what it showed is not what it shows now. */
  demandSameState(): void;
}

export class StateClient {
  private readonly contents: ShownContents;

  constructor(
    private readonly link: StateLink,
    pages: SharedRegion,
  ) {
    this.contents = new ShownContents(pages, (unseen) => this.ask('look', unseen));
  }

  ask<O extends StateQuery>(operation: O, request: StateRequest<O>): StateAnswer<O> {
    return ask(this.link, operation, request);
  }

  /** A transaction sees something else than the pages show. */
  look(request: StateRequest<'look'>): StateAnswer<'look'> {
    if (request.transaction !== 0) return this.ask('look', request);
    this.link.demandSameState();
    return this.contents.look(request);
  }

  /** State's answer as it comes: what State remembers has the same form. */
  change(number: number, context: Uint8Array, { operation, request }: Change): Uint8Array {
    return exchange(this.link, operation, encode(numberedChange, { header: { number, context }, operation, request }));
  }
}

/** The pages that State shares with Logic. */
export const pagesOf = (link: StateLink): StateAnswer<'pages'> => ask(link, 'pages', {});

function ask<O extends StateOperation>(link: StateLink, operation: O, request: StateRequest<O>): StateAnswer<O> {
  const answer = exchange(link, operation, encode(plainMessage, { operation, request }));
  const codec: Codec<unknown> = stateOperations[operation][2];
  return decode(codec, answer.subarray(1)) as StateAnswer<O>;
}

/** A refusal or an answer that makes no sense is a bug of ours: it fails the handler, which is undone. */
function exchange(link: StateLink, operation: StateOperation, request: Uint8Array): Uint8Array {
  const answer = link.exchange(request);
  if (answer[0] !== stateOperations[operation][0]) throw new Error(`xenstore-state refused ${operation}`);
  return answer;
}

interface Message {
  readonly operation: StateOperation;
  readonly request: unknown;
}

const plainMessage = {
  write(to: Writer, { operation, request }: Message): void {
    const [number, codec] = stateOperations[operation] as readonly [number, Codec<unknown>, Codec<unknown>];
    u8.write(to, number);
    codec.write(to, request);
  },
};

const numberedChange = {
  write(to: Writer, message: Message & { readonly header: Decoded<typeof changeHeader> }): void {
    u8.write(to, CHANGE);
    changeHeader.write(to, message.header);
    plainMessage.write(to, message);
  },
};
