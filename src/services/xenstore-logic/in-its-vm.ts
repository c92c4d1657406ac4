/** What Logic works with in its VM; how its handlers are called is its starter's affair. */
import { numberedRegions, recoveryBox, startAgain } from '../../kit/rollback.ts';
import type { Log } from '../../xen/ports.ts';
import { domainControl, eventChannels, grants } from '../../xen/real/adapter.ts';
import { STORE_GRANT } from './ports.ts';
import type { Surroundings } from './serve.ts';

export const inItsVm = (log: Log): Omit<Surroundings, 'handleEvents'> => ({
  box: recoveryBox,
  rings: { ...numberedRegions, map: (domid) => numberedRegions.map(domid, STORE_GRANT) },
  actsAs: (domid) => domid,
  domains: () => domainControl.list(),
  grants,
  eventChannels,
  linkChannels: eventChannels,
  startAgain,
  log,
});
