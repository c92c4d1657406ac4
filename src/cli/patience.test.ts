import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { patiently } from './patience.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const after = (ms: number, end: () => number): Promise<number> =>
  new Promise((resolve, reject) => {
    setTimeout(() => {
      try {
        resolve(end());
      } catch (error) {
        reject(error);
      }
    }, ms);
  });

function onlooker(errorIsTerminal = true) {
  const shown: string[] = [];
  return { shown, errorIsTerminal, error: (text: string) => void shown.push(text), nowMs: () => Date.now() };
}

test('what is done within two seconds is not spoken of', async () => {
  const ports = onlooker();
  const done = patiently(
    ports,
    'waiting',
    after(1900, () => 7),
  );
  await vi.runAllTimersAsync();
  expect(await done).toBe(7);
  expect(ports.shown).toEqual([]);
});

test('from then on a line says how long it has taken, and is erased in the end', async () => {
  const ports = onlooker();
  const done = patiently(
    ports,
    'waiting',
    after(2600, () => 7),
  );
  await vi.runAllTimersAsync();
  expect(await done).toBe(7);
  expect(ports.shown).toEqual(['\r\x1b[Kwaiting, 2.0 s', '\r\x1b[Kwaiting, 2.5 s', '\r\x1b[K']);
});

test('a failure erases it, too', async () => {
  const ports = onlooker();
  const done = patiently(
    ports,
    'waiting',
    after(2600, () => {
      throw new Error('no');
    }),
  );
  const failed = expect(done).rejects.toThrow('no');
  await vi.runAllTimersAsync();
  await failed;
  expect(ports.shown.at(-1)).toBe('\r\x1b[K');
});

test('nothing is written where nobody looks', async () => {
  const ports = onlooker(false);
  const done = patiently(
    ports,
    'waiting',
    after(5000, () => 7),
  );
  await vi.runAllTimersAsync();
  await done;
  expect(ports.shown).toEqual([]);
});
