/** What two servers said to the same program, step by step. */
import { messageTypes } from '../../../src/wire/xenstore-message.ts';
import type { Difference, Disagreement } from './differences.ts';
import type { Heard } from './heard.ts';
import { describeStep, type Program } from './program.ts';

export interface Judgement {
  /** Known differences that were met. */
  readonly met: readonly Difference[];
  /** The first one that nobody knows, for people. null: there is none. */
  readonly unknown: string | null;
}

/** What is heard after a difference that changes what is in a store says nothing. */
export function judge(
  program: Program,
  ours: readonly Heard[],
  reference: readonly Heard[],
  known: readonly Difference[],
): Judgement {
  if (ours.length !== program.steps.length || reference.length !== program.steps.length)
    throw new Error(`${program.name}: ${program.steps.length} steps, heard ${ours.length} and ${reference.length}`);
  const met: Difference[] = [];
  for (const [index, step] of program.steps.entries()) {
    const heard = { ours: ours[index]!, reference: reference[index]! };
    if (isSame(heard.ours, heard.reference)) continue;
    const disagreement = { program: program.name, step, ...heard, isLost: isLost(program, index, reference) };
    const difference = known.find((one) => isExplained(one, disagreement));
    if (!difference) return { met, unknown: describe(program, index, disagreement) };
    met.push(difference);
    if (difference.ends) break;
  }
  return { met, unknown: null };
}

/** Whoever has begun a transaction tries to commit it, in the end at the latest (preparation.ts), or gives it up: then nobody knows. */
function isLost({ steps }: Program, from: number, heard: readonly Heard[]): boolean {
  const within = steps[from];
  if (within?.do !== 'ask' || within.transaction === null) return false;
  const { by, transaction } = within;
  for (const [index, step] of steps.entries()) {
    if (index <= from || step.do !== 'ask' || step.type !== messageTypes.transactionEnd) continue;
    if (step.by !== by || step.transaction !== transaction || heard[index]?.answer === '-EINVAL') continue;
    return heard[index]?.answer === '-EAGAIN' || step.payload === GIVEN_UP;
  }
  return false;
}
const GIVEN_UP = 'F\0';

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

const isExplained = ({ inEvents, explains }: Difference, disagreement: Disagreement): boolean =>
  (inEvents === true || isSame(disagreement.ours.events, disagreement.reference.events)) && explains(disagreement);

const describe = ({ name }: Program, index: number, { step, ours, reference }: Disagreement): string =>
  [
    `${name}, step ${index}: ${describeStep(step)}`,
    `  Ennead:    ${ours.answer}  after ${JSON.stringify(ours.events)}`,
    `  xenstored: ${reference.answer}  after ${JSON.stringify(reference.events)}`,
  ].join('\n');
