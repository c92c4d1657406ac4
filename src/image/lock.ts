/**
 * One build at a time per cache. The lock is flock(2), held by a child whose standard input is our pipe: the kernel
 * releases it however we end, so there is no stale lock to clean up.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Lock {
  release(): Promise<void>;
}

/** Resolves when the lock is ours; calls `onWait` once if somebody else holds it. */
export async function acquireLock(path: string, onWait: () => void): Promise<Lock> {
  const immediate = await tryFlock(path, ['--nonblock']);
  if (immediate) return immediate;
  onWait();
  const later = await tryFlock(path, []);
  if (!later) throw new Error(`cannot lock ${path}`);
  return later;
}

async function tryFlock(path: string, flags: readonly string[]): Promise<Lock | undefined> {
  // Its own process group: Ctrl+C must reach the build first, not the lock.
  const child = spawn('flock', [...flags, '--no-fork', path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = once(child, 'close');
  const held = once(child.stdout, 'data').then(() => true);
  if (!(await Promise.race([held, ended.then(() => false)]))) return undefined;
  child.unref();
  return {
    async release() {
      // Waited for again: nothing else may keep this process alive until then.
      child.ref();
      child.stdin.end();
      await ended;
    },
  };
}
