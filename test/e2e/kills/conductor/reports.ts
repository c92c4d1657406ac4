/** The clients' reports, as they come in. */
import type { DomId } from '../../../../src/xen/ports.ts';
import type { XenStore } from '../../../../src/xen/xenstore-port.ts';
import { clientDomids, homeOf, type Phase, REPORT_NODE, type Report } from '../plan.ts';

export interface Reports {
  /** Resolves when every client has reported the end of this phase. One at a time. */
  all(phase: Phase): Promise<readonly Report[]>;
}

export async function followReports(store: XenStore): Promise<Reports> {
  const last = new Map<DomId, Report>();
  let changed: () => void = () => undefined;
  let failed: (cause: unknown) => void = () => undefined;
  const take = async (domid: DomId, path: string): Promise<void> => {
    const text = await store.read(path);
    if (text === null) return;
    last.set(domid, JSON.parse(text));
    changed();
  };
  for (const domid of clientDomids) {
    const path = `${homeOf(domid)}/${REPORT_NODE}`;
    await store.watch(path, () => void take(domid, path).catch((cause) => failed(cause)));
  }
  return {
    all: ({ round, step }) =>
      new Promise((resolve, reject) => {
        failed = reject;
        changed = () => {
          const ended = [...last.values()].filter((report) => report.round === round && report.step === step);
          if (ended.length === clientDomids.length) resolve(ended);
        };
      }),
  };
}
