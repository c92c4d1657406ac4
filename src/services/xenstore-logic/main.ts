import { everySecond, handleEventsFromHere, numberedRegions, recoveryBox, startAgain } from '../../kit/rollback.ts';
import { startService } from '../../kit/service.ts';
import { domainControl, eventChannels, grants } from '../../xen/real/adapter.ts';
import { decodeBootClients } from './boot-clients.ts';
import { STORE_GRANT } from './ports.ts';
import { serveLogic } from './serve.ts';

startService('xenstore-logic', ({ parameters, log }) => {
  const surroundings = {
    box: recoveryBox,
    rings: { ...numberedRegions, map: (domid: number) => numberedRegions.map(domid, STORE_GRANT) },
    actsAs: (domid: number) => domid,
    domains: () => domainControl.list(),
    grants,
    eventChannels,
    linkChannels: eventChannels,
    everySecond,
    handleEvents: handleEventsFromHere,
    startAgain,
    log,
  };
  serveLogic(surroundings, decodeBootClients(parameters.introduce));
});
