import { describe, expect, it } from 'vitest';
import type { Difference } from './differences.ts';
import type { Heard } from './heard.ts';
import { judge } from './judgement.ts';
import { ask, GUESTS, type Program } from './program.ts';

const [ONE, OTHER] = GUESTS;
const program: Program = {
  name: 'a program',
  steps: [
    ask(ONE, 'read', ['a'], { transaction: 0 }),
    ask(OTHER, 'read', ['a'], { transaction: 0 }),
    ask(ONE, 'transactionEnd', ['T'], { transaction: 0 }),
  ],
};
const heard = (...answers: readonly string[]): Heard[] => answers.map((answer) => ({ answer, events: [] }));
const difference = (what: Partial<Difference>): Difference => ({
  name: 'known',
  why: '',
  ends: false,
  explains: () => true,
  ...what,
});

describe('a judgement', () => {
  it('names the first step at which the servers differ, with both answers', () => {
    const { unknown } = judge(program, heard('+', '+one', '+x'), heard('+', '+other', '+y'), []);
    expect(unknown).toMatch(/a program, step 1: 17 read "a~" in its transaction 0\n.*\+one.*\n.*\+other/);
  });

  it('finds nothing where they say the same', () => {
    expect(judge(program, heard('+', '+', '+'), heard('+', '+', '+'), [])).toEqual({ met: [], unknown: null });
  });

  it('goes on after a known difference, unless the stores hold different things from there on', () => {
    const [ours, reference] = [heard('+', '+one', '+x'), heard('+', '+other', '+y')];
    const isOne = { explains: (it: { ours: Heard }) => it.ours.answer === '+one' };
    expect(judge(program, ours, reference, [difference(isOne)]).unknown).toMatch(/step 2/);
    expect(judge(program, ours, reference, [difference({ ...isOne, ends: true })]).unknown).toBeNull();
  });

  it('does not let a difference in an answer explain one in events', () => {
    const reference = [{ answer: '+', events: ['a~t~'] }, ...heard('+', '+')];
    expect(judge(program, heard('+', '+', '+'), reference, [difference({})]).unknown).toMatch(/step 0/);
    expect(judge(program, heard('+', '+', '+'), reference, [difference({ inEvents: true })]).unknown).toBeNull();
  });

  it('knows which steps were in a transaction that had lost', () => {
    const inLost = difference({ explains: (it: { isLost: boolean }) => it.isLost });
    const judged = (end: string) => judge(program, heard('+one', '+', end), heard('+other', '+', end), [inLost]);
    expect(judged('-EAGAIN')).toEqual({ met: [inLost], unknown: null });
    expect(judged('+OK~').unknown).toMatch(/step 0/);
  });

  it('is none of a program that was not played to its end', () => {
    expect(() => judge(program, heard('+', '+'), heard('+', '+', '+'), [])).toThrow(/heard 2 and 3/);
  });
});
