import { expect, it } from 'vitest';
import { messageTypes, PAYLOAD_BYTES_MAX } from '../../../src/wire/xenstore-message.ts';
import { type Ask, PRIVILEGED } from './program.ts';
import { randomProgram } from './random-programs.ts';

const SEEDS = 400;
const asked = Array.from({ length: SEEDS }, (_, seed) => randomProgram(seed)).flatMap(
  ({ steps }) => steps as readonly Ask[],
);
const typeOf = (...names: readonly (keyof typeof messageTypes)[]) => names.map((name): number => messageTypes[name]);

it('a seed makes the same program again, another one another', () => {
  expect(randomProgram(5)).toEqual(randomProgram(5));
  expect(randomProgram(5).steps).not.toEqual(randomProgram(6).steps);
});

it('requests fit into a message, and their characters are bytes', () => {
  for (const { payload } of asked) {
    expect(payload.length).toBeLessThanOrEqual(PAYLOAD_BYTES_MAX);
    expect([...payload].every((character) => character.charCodeAt(0) < 256)).toBe(true);
  }
});

it('every type of request is asked for', () => {
  const met = new Set(asked.map(({ type }) => type));
  const answers = typeOf('watchEvent', 'error');
  expect(Object.values(messageTypes).filter((type) => !met.has(type) && !answers.includes(type))).toEqual([]);
});

it('nothing is asked for that ends xenstored', () => {
  const ofOneString = typeOf('read', 'directory', 'getPerms', 'mkdir', 'rm');
  for (const { by, type, payload } of asked) {
    if (ofOneString.includes(type)) expect(payload.indexOf('\0')).toBe(payload.length - 1);
    const [path = ''] = payload.split('\0', 1);
    const isPermitted = by === PRIVILEGED && ['@introduceDomain', '@releaseDomain'].includes(path);
    if (typeOf('setPerms').includes(type) && path.startsWith('@')) expect(isPermitted).toBe(true);
  }
});
