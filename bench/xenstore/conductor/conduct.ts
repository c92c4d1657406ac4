/** Starts the phases and collects what the clients report. It runs where nodes can be made for others: in domain 0, or in Builder's place. */

import { homeOf } from '../../../src/contracts/xenstore-paths.ts';
import type { DomId, Log } from '../../../src/xen/ports.ts';
import { domainControl } from '../../../src/xen/real/adapter.ts';
import type { NodePermission, XenStore } from '../../../src/xen/xenstore-port.ts';
import { followReports, type Reports } from '../../../test/virtual-store/reports.ts';
import { countOf, percentileMs } from '../histogram.ts';
import {
  clientDomids,
  clientNodes,
  DONE,
  encodeResult,
  LIST_NODE,
  LISTED_NODES,
  type Operation,
  operations,
  PHASE_NODE,
  type Phase,
  PREPARATION,
  type Report,
  type Result,
} from '../plan.ts';

export interface Orders {
  readonly clients: number;
  /** Of one phase. */
  readonly durationMs: number;
}

export interface Conducting extends Orders {
  readonly store: XenStore;
  /** The conductor's own domid. */
  readonly self: DomId;
  /** The domains that are the server. */
  readonly server: readonly DomId[];
  readonly log: Log;
}

export async function conduct(conducting: Conducting): Promise<void> {
  const { store, clients, durationMs, log } = conducting;
  await makeNodes(conducting);
  const reports = await followReports<Report>(
    store,
    clientDomids(clients).map((domid) => `${homeOf(domid)}/${clientNodes.report}`),
  );
  // All clients are ready when this phase has ended.
  await phase(store, reports, { operation: PREPARATION, durationMs });
  for (const operation of operations) log(encodeResult(await measure(conducting, reports, operation)));
  log(DONE);
}

/** A new node has its parent's permissions. */
async function makeNodes({ store, self, clients }: Conducting): Promise<void> {
  const readableByAll: NodePermission[] = [{ domid: self, access: 'read' }];
  await store.mkdir('/bench');
  await store.setPermissions('/bench', readableByAll);
  for (let n = 0; n < LISTED_NODES; n++) await store.mkdir(`${LIST_NODE}/${String(n).padStart(2, '0')}`);
  for (const domid of clientDomids(clients)) {
    await store.mkdir(homeOf(domid));
    await store.setPermissions(homeOf(domid), [{ domid, access: 'none' }]);
  }
}

async function phase(store: XenStore, reports: Reports<Report>, next: Phase): Promise<readonly Report[]> {
  const all = reports.all(({ operation }) => operation === next.operation);
  await store.write(PHASE_NODE, JSON.stringify(next));
  return all;
}

async function measure(conducting: Conducting, reports: Reports<Report>, operation: Operation): Promise<Result> {
  const { store, server, clients, durationMs } = conducting;
  const clientsUse = processorUse(clientDomids(clients));
  const serverUses = processorUse(server);
  const all = await phase(store, reports, { operation, durationMs });
  const serverMs = serverUses();
  const clientMs = clientsUse();
  const latencies = all.map((report) => report.latencies);
  const count = latencies.reduce((sum, one) => sum + countOf(one), 0);
  return {
    operation,
    perSecond: all.reduce((sum, report) => sum + countOf(report.latencies) / (report.durationMs / 1000), 0),
    p50Ms: percentileMs(latencies, 0.5),
    p99Ms: percentileMs(latencies, 0.99),
    serverMs: serverMs / count,
    clientMs: clientMs / count,
  };
}

/** Returns the function that says how much processor time they have taken since. */
function processorUse(domids: readonly DomId[]): () => number {
  const nowMs = (): number =>
    domainControl
      .list()
      .reduce((sum, { domid, cpuTimeNs }) => (domids.includes(domid) ? sum + Number(cpuTimeNs) / 1e6 : sum), 0);
  const before = nowMs();
  return () => nowMs() - before;
}
