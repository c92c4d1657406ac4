/** What is played on each host, in this order. */
import { endProgram, fixedPrograms, targetProgram } from './fixed-programs.ts';
import type { Program } from './program.ts';
import { randomProgram } from './random-programs.ts';

/** Of random programs, one of so many is played once more by a domain that acts for another one. */
const WITH_TARGET = 3;

/** `count`: of random ones, with this seed and those that follow it. */
export function programsOf(seed: number, count: number): Program[] {
  const random = Array.from({ length: count }, (_, index) => randomProgram(seed + index));
  const withTarget = random
    .filter((_, index) => index % WITH_TARGET === 0)
    .map((program) => ({ ...program, name: `${program.name}, with a target` }));
  return [...random, ...fixedPrograms, targetProgram, ...withTarget, endProgram];
}
