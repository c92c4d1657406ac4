/** The two ways in which the store runs for the ring fuzzer. */
import { BUILDER_DOMID } from '../../src/contracts/domids.ts';
import { SECONDS_MAX } from '../../src/services/xenstore-state/reservations.ts';
import { SplitStore } from '../sim/xenstore/split-store.ts';
import { DirectStore } from './direct-store.ts';
import type { FuzzStore } from './ring-fuzz.ts';

/** Handlers alone. */
export function directStore(): FuzzStore {
  const store = new DirectStore();
  return {
    log: store.log,
    get runs() {
      return store.runs;
    },
    fairness: store.fairness,
    builder: { page: store.pageOf(BUILDER_DOMID), notify: () => store.notify(store.builderPort) },
    prepare: (domid) => {
      const page = store.makePage(domid);
      const port = store.openPort();
      return { page, port, notify: () => store.notify(port) };
    },
    settle: (between) => store.settle(between),
  };
}

/** A change that is held for another's transaction is made when that has ended, or has taken too long. */
const RESERVATION_MS = (SECONDS_MAX + 1) * 1000;

/** Logic and State on the in-memory Xen, in an order of events that is drawn from the seed: how long somebody waits is chance. */
export function simulatedStore(seed: number): FuzzStore {
  const store = SplitStore.start({ seed });
  const end = (domid: number) => {
    const ring = store.ring(domid);
    return { page: ring.region, notify: () => ring.notify(), port: store.storePortOf(domid) };
  };
  return {
    log: store.log,
    runs: 0,
    fairness: { reserved: 0, held: 0 },
    builder: end(BUILDER_DOMID),
    prepare: (domid) => {
      store.prepare(domid);
      return end(domid);
    },
    settle: () => store.xen.clock.advance(RESERVATION_MS),
  };
}
