import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { acquireLock } from './lock.ts';

it('a second build waits, says so once, and goes on when the first has finished', async () => {
  const root = await mkdtemp(join(tmpdir(), 'ennead-lock-'));
  try {
    const path = join(root, 'lock');
    const events: string[] = [];
    const first = await acquireLock(path, () => events.push('first waits'));
    const waiting = new Promise<void>((resolve, reject) => {
      acquireLock(path, () => {
        events.push('second waits');
        setTimeout(() => first.release().then(() => events.push('first done')), 50);
      })
        .then(async (second) => {
          events.push('second goes on');
          await second.release();
          resolve();
        })
        .catch(reject);
    });
    await waiting;
    expect(events[0]).toBe('second waits');
    expect(events.slice(1).sort()).toEqual(['first done', 'second goes on']);
  } finally {
    await rm(root, { recursive: true });
  }
});
