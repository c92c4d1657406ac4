/** Requests and answers as bytes. Anything that is not a request of the contract is refused, and changes nothing. */
import {
  CHANGE,
  CONTEXT_BYTES_MAX,
  changeHeader,
  REFUSED,
  type StateOperation,
  type StateRequest,
  stateChanges,
  stateNotes,
  stateOperations,
} from '../../contracts/xenstore-state.ts';
import { type Codec, DecodeError, decode, encode, Reader } from '../../wire/binary.ts';
import type { Log } from '../../xen/ports.ts';
import { Refusal, type XenStoreState } from './state.ts';

const byNumber = new Map<number, StateOperation>(
  (Object.keys(stateOperations) as StateOperation[]).map((operation) => [stateOperations[operation][0], operation]),
);

const noteNumbers: ReadonlySet<number> = new Set(Object.values(stateNotes).map(([number]) => number));

export interface Answered {
  /** Starts with the operation's number, a refusal with 0. */
  readonly answer: Uint8Array;
  /** State is not what it was before. */
  readonly leavesTrace: boolean;
}

export function answerMessage(state: XenStoreState, message: Uint8Array, log: Log): Answered {
  try {
    if (message[0] === CHANGE) return { answer: changed(state, message.subarray(1)), leavesTrace: true };
    return { answer: answered(state, message, false), leavesTrace: leavesTrace(message) };
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof Refusal)) throw error;
    log(`refused a request: ${error.message}`);
    return { answer: Uint8Array.of(REFUSED), leavesTrace: false };
  }
}

/** Looks outside of any transaction leave none: they are most of all notes. */
function leavesTrace(message: Uint8Array): boolean {
  const [look, request] = stateNotes.look;
  if (message[0] === look) return decode(request, message.subarray(1)).transaction !== 0;
  return noteNumbers.has(message[0] ?? REFUSED);
}

/** Remembered for a Logic that starts after the one that asked, and asks what has become of it. */
function changed(state: XenStoreState, message: Uint8Array): Uint8Array {
  const from = new Reader(message);
  const { number, context } = changeHeader.read(from);
  if (number === 0 || context.length > CONTEXT_BYTES_MAX) throw new DecodeError('change');
  const answer = answered(state, from.raw(from.left), true);
  state.lastChange = { number, context, answer };
  return answer;
}

function answered(state: XenStoreState, message: Uint8Array, asChange: boolean): Uint8Array {
  const number = message[0] ?? REFUSED;
  const operation = byNumber.get(number);
  if (!operation || operation in stateChanges !== asChange) throw new DecodeError(`operation ${number}`);
  return answerTo(state, operation, message);
}

function answerTo<O extends StateOperation>(state: XenStoreState, operation: O, message: Uint8Array): Uint8Array {
  const [number, request, answer] = stateOperations[operation] as readonly [number, Codec<unknown>, Codec<unknown>];
  const asked = decode(request, message.subarray(1)) as StateRequest<O>;
  const body = encode(answer, state.answer(operation, asked));
  const whole = new Uint8Array(1 + body.length);
  whole[0] = number;
  whole.set(body, 1);
  return whole;
}
