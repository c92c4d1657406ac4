/** Waiting for a node's value by watching it; the same for every XenStore client. */
import { type Clock, PortError } from '../xen/ports.ts';
import type { XenStore } from '../xen/xenstore-port.ts';

export async function waitForNode<T>(
  store: Pick<XenStore, 'read' | 'watch'>,
  clock: Clock,
  path: string,
  accept: (value: string | null) => T | undefined,
  timeoutMs: number,
): Promise<T> {
  let cancelTimer: () => void = () => undefined;
  let check: () => void = () => undefined;
  const accepted = new Promise<T>((resolve, reject) => {
    cancelTimer = clock.after(timeoutMs, () =>
      reject(new PortError('ETIMEDOUT', 'xenstore waitFor', `${path} for ${timeoutMs} ms`)),
    );
    check = () => {
      readIfAllowed(store, path)
        .then((value) => {
          const answer = accept(value);
          if (answer !== undefined) resolve(answer);
        })
        .catch(reject);
    };
  });
  // Should the watch itself fail, nobody waits for this promise any more.
  accepted.catch(() => undefined);
  try {
    // The watch fires once at once: the first read comes after it is set, so that no change is lost.
    const unwatch = await store.watch(path, check);
    try {
      return await accepted;
    } finally {
      await unwatch();
    }
  } finally {
    cancelTimer();
  }
}

/** XenStore does not tell a node that is not there from one below a node that we may not read: both may still come. */
async function readIfAllowed(store: Pick<XenStore, 'read'>, path: string): Promise<string | null> {
  try {
    return await store.read(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') return null;
    throw error;
  }
}
