/** Requests and answers as bytes. Anything that is not a request of the contract is refused, and changes nothing. */
import { REFUSED, type StateOperation, type StateRequest, stateOperations } from '../../contracts/xenstore-state.ts';
import { type Codec, DecodeError, decode, encode } from '../../wire/binary.ts';
import type { Log } from '../../xen/ports.ts';
import { Refusal, type XenStoreState } from './state.ts';

const byNumber = new Map<number, StateOperation>(
  (Object.keys(stateOperations) as StateOperation[]).map((operation) => [stateOperations[operation][0], operation]),
);

/** An answer starts with its operation's number, a refusal with 0. */
export function answerMessage(state: XenStoreState, message: Uint8Array, log: Log): Uint8Array {
  const number = message[0] ?? REFUSED;
  const operation = byNumber.get(number);
  try {
    if (!operation) throw new DecodeError(`operation ${number}`);
    return answered(state, operation, message);
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof Refusal)) throw error;
    log(`refused ${operation ?? 'a request'}: ${error.message}`);
    return Uint8Array.of(REFUSED);
  }
}

function answered<O extends StateOperation>(state: XenStoreState, operation: O, message: Uint8Array): Uint8Array {
  const [number, request, answer] = stateOperations[operation] as readonly [number, Codec<unknown>, Codec<unknown>];
  const asked = decode(request, message.subarray(1)) as StateRequest<O>;
  const body = encode(answer, state.answer(operation, asked));
  const whole = new Uint8Array(1 + body.length);
  whole[0] = number;
  whole.set(body, 1);
  return whole;
}
