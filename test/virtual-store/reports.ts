/** What clients report, each in a node of its own, as it comes in. */
import type { XenStore } from '../../src/xen/xenstore-port.ts';

export interface Reports<R> {
  /** Resolves when the last report of every client is such a one. One at a time. */
  all(isOfPhase: (report: R) => boolean): Promise<readonly R[]>;
}

/** The watches are set before the first phase, so that nothing but the clients' own work is under way in a measured one. */
export async function followReports<R>(store: XenStore, paths: readonly string[]): Promise<Reports<R>> {
  const last = new Map<string, R>();
  let changed: () => void = () => undefined;
  let failed: (cause: unknown) => void = () => undefined;
  const take = async (path: string): Promise<void> => {
    const text = await store.read(path);
    if (text === null) return;
    last.set(path, JSON.parse(text));
    changed();
  };
  for (const path of paths) await store.watch(path, () => void take(path).catch((cause) => failed(cause)));
  return {
    all: (isOfPhase) =>
      new Promise((resolve, reject) => {
        failed = reject;
        changed = () => {
          const ended = [...last.values()].filter(isOfPhase);
          if (ended.length === paths.length) resolve(ended);
        };
      }),
  };
}
