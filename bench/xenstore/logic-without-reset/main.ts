/** XenStore-Logic as its own main.ts starts it, but for one thing: its heap is never rolled back. */
import * as rt from 'ennead:rt';
import { numberedRegions, recoveryBox, startAgain } from '../../../src/kit/rollback.ts';
import { startService } from '../../../src/kit/service.ts';
import { decodeBootClients } from '../../../src/services/xenstore-logic/boot-clients.ts';
import { STORE_GRANT } from '../../../src/services/xenstore-logic/ports.ts';
import { serveLogic } from '../../../src/services/xenstore-logic/serve.ts';
import { domainControl, eventChannels, grants } from '../../../src/xen/real/adapter.ts';

const SECOND_MS = 1000;

/** Without a rollback a timer fires once. */
function everySecond(handler: () => void): void {
  rt.setTimer(SECOND_MS, () => {
    everySecond(handler);
    handler();
  });
}

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
    // A handler that fails ends the process: there is nothing to roll back to.
    handleEvents: (handler: (port: number) => void) => rt.onEvent(handler),
    startAgain,
    log,
  };
  serveLogic(surroundings, decodeBootClients(parameters.introduce));
});
