import { expect, it } from 'vitest';
import { chooseAccess, type Privileges } from './root-access.ts';

const NOBODY: Privileges = { isRoot: false, sudo: 'absent', hasTerminal: false };

it('root needs no sudo', () => {
  expect(chooseAccess({ ...NOBODY, isRoot: true })).toEqual({ prefix: [], asks: false });
});

it('a sudo that agrees is not asked to prompt, terminal or none', () => {
  for (const hasTerminal of [true, false]) {
    expect(chooseAccess({ ...NOBODY, sudo: 'agrees', hasTerminal })).toEqual({ prefix: ['sudo', '-n'], asks: false });
  }
});

it('a sudo that wants a password asks for it on a terminal', () => {
  expect(chooseAccess({ ...NOBODY, sudo: 'asks', hasTerminal: true })).toEqual({ prefix: ['sudo'], asks: true });
});

it.each([
  ['sudo without a terminal', { sudo: 'asks', hasTerminal: false }, /sudo wants a password, and there is no terminal/],
  ['no sudo', { sudo: 'absent', hasTerminal: true }, /not root, and there is no sudo/],
] as const)('%s: the reason says which of the two is missing', (_name, privileges, reason) => {
  expect(chooseAccess({ ...NOBODY, ...privileges })).toMatch(reason);
});
