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
    let released: Promise<unknown> | undefined;
    const second = await acquireLock(path, () => {
      events.push('second waits');
      released = first.release();
    });
    events.push('second goes on');
    await Promise.all([released, second.release()]);
    expect(events).toEqual(['second waits', 'second goes on']);
    await (await acquireLock(path, () => events.push('third waits'))).release();
    expect(events).not.toContain('third waits');
  } finally {
    await rm(root, { recursive: true });
  }
});
