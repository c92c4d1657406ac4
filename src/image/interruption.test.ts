import { once } from 'node:events';
import { expect, it } from 'vitest';
import { InterruptedError, interruptible } from './interruption.ts';

const listeners = (): number => process.listenerCount('SIGINT') + process.listenerCount('SIGTERM');

it.each(['SIGINT', 'SIGTERM'] as const)('%s, even twice, aborts the work and becomes its failure', async (name) => {
  const before = listeners();
  const interrupted = interruptible(async (signal) => {
    setImmediate(() => process.emit(name) && process.emit(name));
    await once(signal, 'abort');
    throw new Error('a program was killed');
  });
  await expect(interrupted).rejects.toBeInstanceOf(InterruptedError);
  expect(listeners()).toBe(before);
});

it('a failure without an interruption stays as it is', async () => {
  await expect(interruptible(() => Promise.reject(new Error('no room')))).rejects.toThrow('no room');
});
