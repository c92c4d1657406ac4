/** What the attack machine said, held against what it had to say. Each complaint is one line for the person who reads a failed test. */
import { type Expectation, expectationOf, isVm } from './expectation.ts';
import { type Actor, type Attempt, attemptsOf, domidOf, PCIBACK, targetName } from './plan.ts';
import type { Answer, Denial } from './serial.ts';

/** Checks between two domains, not between a domain and a label: Xen names both in its log. */
const ON_DOMAINS = new Set(['mmu', 'grant', 'resource', 'domain', 'domain2', 'hvm']);
const namesTarget = ({ on, class: className, permissions }: Denial): boolean =>
  ON_DOMAINS.has(className) ||
  (className === 'event' && ['create', 'reset'].includes(permissions) && !on.endsWith('_channel_t'));

/** PCIBack is attacked before or after it has been retired: either will do, as long as the answer fits it. */
const expectations = (actor: Actor, attempt: Attempt): Expectation[] =>
  attempt.target === PCIBACK && domidOf(actor) !== PCIBACK.domid
    ? [expectationOf(actor, attempt), expectationOf(actor, attempt, 'pciback-retired')]
    : [expectationOf(actor, attempt)];

const nameOf = (actor: Actor, { attack, target }: Attempt): string => `${actor} ${attack} ${targetName(target)}`;

export function wrongAnswers(actor: Actor, answers: ReadonlyMap<string, Answer>): string[] {
  return attemptsOf(actor).flatMap((attempt) => {
    const name = nameOf(actor, attempt);
    const answer = answers.get(name)?.answer ?? 'nothing';
    const wanted = expectations(actor, attempt).flatMap((expectation) => expectation.answers);
    return wanted.includes(answer) ? [] : [`${name}: Xen answered ${answer}, not ${[...new Set(wanted)].join(' or ')}`];
  });
}

/** Each refusal by the policy uses up one line of Xen's log. */
export function unrecordedRefusals(actor: Actor, denials: readonly Denial[]): string[] {
  const left = new Set(denials.filter((denial) => denial.domid === domidOf(actor)));
  return attemptsOf(actor).flatMap((attempt) => {
    const wanted = expectations(actor, attempt);
    if (wanted.some(({ denial }) => denial === null)) return [];
    const found = [...left].find((denial) => wanted.some((expectation) => fits(actor, attempt, expectation, denial)));
    if (found) left.delete(found);
    return found ? [] : [`${nameOf(actor, attempt)}: not in Xen's log`];
  });
}

function fits(actor: Actor, { target }: Attempt, { denial: wanted }: Expectation, denial: Denial): boolean {
  const isOther = isVm(target) && target.domid !== domidOf(actor);
  return (
    denial.source === wanted!.source &&
    denial.on === wanted!.target &&
    denial.class === wanted!.class &&
    denial.permissions === wanted!.permissions.join(' ') &&
    denial.target === (isOther && namesTarget(denial) ? target.domid : null)
  );
}
