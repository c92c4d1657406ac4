/** XenStore-Logic on an ordinary host. Its heap is rolled back after every response, as in its VM. */
import { BOOTSTRAPPER_DOMID, XENSTORE_LOGIC_DOMID } from '../contracts/domids.ts';
import { numberedRegions, recoveryBox, rollbackFromHere, startAgain } from '../kit/rollback.ts';
import { STORE_GRANT } from '../services/xenstore-logic/ports.ts';
import { admitDomain0 } from '../services/xenstore-logic/privileges.ts';
import { serveLogic } from '../services/xenstore-logic/serve.ts';
import { inboxes, introducer } from './layout.ts';
import { LocalXen } from './local-xen.ts';
import { startInFolder } from './start.ts';

startInFolder('xenstore-logic', (folder, log) => {
  admitDomain0();
  const xen = new LocalXen(folder, XENSTORE_LOGIC_DOMID, inboxes.logic);
  const link = new LocalXen(folder, XENSTORE_LOGIC_DOMID, inboxes.logicToState);
  for (const each of [xen, link]) each.closeAllPorts();
  const surroundings = {
    box: recoveryBox,
    rings: { ...numberedRegions, map: (domid: number) => xen.mapNumbered(domid, STORE_GRANT, 1, true) },
    // Whoever may open the socket is domain 0, as with xenstored.
    actsAs: () => BOOTSTRAPPER_DOMID,
    domains: () => [],
    grants: xen.grants,
    eventChannels: xen.eventChannels,
    linkChannels: link.eventChannels,
    handleEvents: (handler: (port: number) => void, onFailed: () => void) => {
      for (const each of [xen, link]) each.handleEvents(handler);
      rollbackFromHere(onFailed);
    },
    startAgain,
    log,
  };
  serveLogic(surroundings, [introducer]);
});
