/** State's operations as functions: typed requests and answers over one exchange of bytes. */
import {
  type StateAnswer,
  type StateOperation,
  type StateRequest,
  stateOperations,
} from '../../contracts/xenstore-state.ts';
import { type Codec, decode, encode } from '../../wire/binary.ts';

export interface StateClient {
  ask<O extends StateOperation>(operation: O, request: StateRequest<O>): StateAnswer<O>;
}

/** A refusal or an answer that makes no sense is a bug of ours: it ends the process. */
export function stateClient(exchange: (message: Uint8Array) => Uint8Array): StateClient {
  return {
    ask<O extends StateOperation>(operation: O, request: StateRequest<O>): StateAnswer<O> {
      const [number, asked, answered] = stateOperations[operation] as readonly [number, Codec<unknown>, Codec<unknown>];
      const body = encode(asked, request);
      const message = new Uint8Array(1 + body.length);
      message[0] = number;
      message.set(body, 1);
      const answer = exchange(message);
      if (answer[0] !== number) throw new Error(`xenstore-state refused ${operation}`);
      return decode(answered, answer.subarray(1)) as StateAnswer<O>;
    },
  };
}
