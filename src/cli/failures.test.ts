import { expect, test } from 'vitest';
import { HostError } from '../host/host-error.ts';
import { InterruptedError } from '../image/interruption.ts';
import { exitCodeOf } from './exit-codes.ts';
import { failingAsHost, failingAsImage } from './failures.ts';

const exitOf = (task: Promise<unknown>): Promise<number> =>
  task.then(
    () => 0,
    ({ code }: { code: string }) => exitCodeOf(code),
  );

test.each([
  ['not-running', 3],
  ['already-running', 18],
  ['set-up-failed', 18],
  ['boot-failed', 18],
  ['stop-forced', 21],
] as const)('a host that is %s ends the command with %i', async (code, exit) => {
  expect(await exitOf(failingAsHost(Promise.reject(new HostError(code, 'why'))))).toBe(exit);
});

test('an image that cannot be built has its code, and so has an interruption of either', async () => {
  expect(await exitOf(failingAsImage(Promise.reject(new Error('no compiler'))))).toBe(19);
  expect(await exitOf(failingAsImage(Promise.reject(new InterruptedError())))).toBe(130);
  const booting = failingAsHost(Promise.reject(new InterruptedError()));
  await expect(booting).rejects.toMatchObject({
    code: 'interrupted',
    message: 'interrupted; the host is switched off',
  });
});

test('a fault of our own stays one', async () => {
  await expect(failingAsHost(Promise.reject(new TypeError('no property')))).rejects.toBeInstanceOf(TypeError);
});
