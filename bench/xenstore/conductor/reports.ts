/** The clients' reports, as they come in. */
import type { DomId } from '../../../src/xen/ports.ts';
import type { XenStore } from '../../../src/xen/xenstore-port.ts';
import { clientNodes, homeOf, type Phase, type Report } from '../plan.ts';

export interface Reports {
  /** Resolves when every client has reported the end of this phase. One at a time. */
  all(operation: Phase['operation']): Promise<readonly Report[]>;
}

/** The watches are set before the first phase, so that nothing but the clients' own work is under way in a measured one. */
export async function followReports(store: XenStore, clients: readonly DomId[]): Promise<Reports> {
  const last = new Map<DomId, Report>();
  let changed: () => void = () => undefined;
  let failed: (cause: unknown) => void = () => undefined;
  const take = async (domid: DomId, path: string): Promise<void> => {
    const text = await store.read(path);
    if (text === null) return;
    last.set(domid, JSON.parse(text));
    changed();
  };
  for (const domid of clients) {
    const path = `${homeOf(domid)}/${clientNodes.report}`;
    await store.watch(path, () => void take(domid, path).catch((cause) => failed(cause)));
  }
  return {
    all: (operation) =>
      new Promise((resolve, reject) => {
        failed = reject;
        changed = () => {
          const ended = [...last.values()].filter((report) => report.operation === operation);
          if (ended.length === clients.length) resolve(ended);
        };
      }),
  };
}
