/** Requests and answers as bytes. Anything that is not a request of the contract is refused, and changes nothing. */
import {
  CHANGE,
  CONTEXT_BYTES_MAX,
  changeHeader,
  REFUSED,
  type StateAnswer,
  type StateOperation,
  type StateRequest,
  stateChanges,
  stateOperations,
  stateReads,
} from '../../contracts/xenstore-state.ts';
import { type Codec, DecodeError, decode, encode, Reader, readFrom, u8, type Writer } from '../../wire/binary.ts';
import type { Log } from '../../xen/ports.ts';
import { Refusal, type XenStoreState } from './state.ts';

const byNumber = new Map<number, StateOperation>(
  (Object.keys(stateOperations) as StateOperation[]).map((operation) => [stateOperations[operation][0], operation]),
);

export interface Answered {
  /** Starts with the operation's number, a refusal with 0. */
  readonly answer: Uint8Array;
  /** State is not what it was before. */
  readonly leavesTrace: boolean;
}

export function answerMessage(state: XenStoreState, message: Uint8Array, log: Log): Answered {
  try {
    return message[0] === CHANGE ? changed(state, message.subarray(1)) : answered(state, message, false);
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof Refusal)) throw error;
    log(`refused a request: ${error.message}`);
    return { answer: Uint8Array.of(REFUSED), leavesTrace: false };
  }
}

/** Remembered for a Logic that starts after the one that asked, and asks what has become of it. */
function changed(state: XenStoreState, message: Uint8Array): Answered {
  const from = new Reader(message);
  const { number, context } = readFrom(changeHeader, from);
  if (number === 0 || context.length > CONTEXT_BYTES_MAX) throw new DecodeError('change');
  const result = answered(state, from.part(from.left), true);
  state.lastChange = { number, context, answer: result.answer };
  return result;
}

function answered(state: XenStoreState, message: Uint8Array, asChange: boolean): Answered {
  const number = message[0] ?? REFUSED;
  const operation = byNumber.get(number);
  if (!operation || operation in stateChanges !== asChange) throw new DecodeError(`operation ${number}`);
  return answerTo(state, operation, message);
}

function answerTo<O extends StateOperation>(state: XenStoreState, operation: O, message: Uint8Array): Answered {
  const [number, request, answer] = stateOperations[operation] as readonly [number, Codec<unknown>, Codec<unknown>];
  const asked = decode(request, message.subarray(1)) as StateRequest<O>;
  const whole = {
    write(to: Writer, value: StateAnswer<O>): void {
      u8.write(to, number);
      answer.write(to, value);
    },
  };
  const leavesTrace = !(operation in stateReads) && !isLookOutside(operation, asked);
  return { answer: encode(whole, state.answer(operation, asked)), leavesTrace };
}

/** Outside of any transaction a look is forgotten at once. */
const isLookOutside = (operation: StateOperation, asked: object): boolean =>
  operation === 'look' && 'transaction' in asked && asked.transaction === 0;
