/**
 * The conductor of the kill test, in Builder's place: makes the nodes, starts the phases, compares the counter with what the clients have added. When domain 0
 * has ended its work, one more round is done in peace.
 */
import { numberParameter } from '../../../../src/contracts/boot-parameters.ts';
import { BOOTSTRAPPER_DOMID, XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../../src/contracts/domids.ts';
import { homeOf } from '../../../../src/contracts/xenstore-paths.ts';
import { startService } from '../../../../src/kit/service.ts';
import { startsOf } from '../../../../src/kit/starts.ts';
import { connectXenStore, XENBUS_DEVICE } from '../../../../src/kit/xenstore-client.ts';
import { clock, eventChannels, streams } from '../../../../src/xen/real/adapter.ts';
import type { XenStore } from '../../../../src/xen/xenstore-port.ts';
import { followReports, type Reports } from '../../../virtual-store/reports.ts';
import {
  BELL,
  CONDUCTOR_DOMID,
  COUNTER_NODE,
  clientDomids,
  encodeOutcome,
  type Outcome,
  PHASE_NODE,
  type Phase,
  REPORT_NODE,
  type Report,
  slotOf,
  steps,
} from '../plan.ts';

const FIRST_EVENT_MS = 1000;

startService('conductor', ({ parameters, log }) => {
  const store = connectXenStore(streams.open(XENBUS_DEVICE, 'r+'), clock);
  const isOver = overFlag(numberParameter(parameters, BELL));
  const conduct = async (): Promise<void> => {
    await makeNodes(store);
    const reports = await followReports<Report>(
      store,
      clientDomids.map((domid) => `${homeOf(domid)}/${REPORT_NODE}`),
    );
    log(encodeOutcome(await conductRounds(store, reports, isOver)));
  };
  return conduct();
});

/** Xen makes an event for whoever binds a channel: the first one says nothing. */
function overFlag(remotePort: number): () => boolean {
  let isOver = false;
  const port = eventChannels.bindInterdomain(BOOTSTRAPPER_DOMID, remotePort);
  eventChannels.wait(port, FIRST_EVENT_MS);
  eventChannels.onEvent(port, () => {
    isOver = true;
  });
  return () => isOver;
}

async function makeNodes(store: XenStore): Promise<void> {
  const own = (owner: number, access: 'none' | 'read' | 'both') => [{ domid: owner, access }];
  await store.make([
    { path: '/local', value: '', permissions: own(CONDUCTOR_DOMID, 'read') },
    { path: '/local/domain', value: '', permissions: own(CONDUCTOR_DOMID, 'read') },
    { path: '/kills', value: '', permissions: own(CONDUCTOR_DOMID, 'read') },
    { path: '/kills/slots', value: '', permissions: own(CONDUCTOR_DOMID, 'read') },
    { path: COUNTER_NODE, value: '0', permissions: own(CONDUCTOR_DOMID, 'both') },
    ...clientDomids.flatMap((domid) => [
      { path: homeOf(domid), value: '', permissions: own(domid, 'none') },
      { path: slotOf(domid), value: '', permissions: own(domid, 'read') },
    ]),
  ]);
}

async function conductRounds(store: XenStore, reports: Reports<Report>, isOver: () => boolean): Promise<Outcome> {
  for (let round = 1, isLast = false; ; round += 1) {
    const ended = await conductRound(store, reports, round);
    const operations = sum(ended, 'operations');
    const increments = sum(ended, 'increments');
    const counted = await store.read(COUNTER_NODE);
    if (counted !== String(increments))
      throw new Error(`the counter is ${counted}, and was ${increments} times counted up`);
    if (isLast) {
      const stateStarts = await startsOf(store, XENSTORE_STATE_DOMID);
      return {
        rounds: round,
        operations,
        increments,
        stateStarts,
        logicStarts: await startsOf(store, XENSTORE_LOGIC_DOMID),
      };
    }
    isLast = isOver();
  }
}

async function conductRound(store: XenStore, reports: Reports<Report>, round: number): Promise<readonly Report[]> {
  let ended: readonly Report[] = [];
  for (const step of steps) {
    const phase: Phase = { round, step };
    const all = reports.all((report) => report.round === round && report.step === step);
    await store.write(PHASE_NODE, JSON.stringify(phase));
    ended = await all;
  }
  return ended;
}

const sum = (reports: readonly Report[], what: 'operations' | 'increments'): number =>
  reports.reduce((total, report) => total + report[what], 0);
