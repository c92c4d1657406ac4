/** The conductor as a VM of its own, for Ennead's XenStore. */
import { XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID } from '../../../src/contracts/domids.ts';
import { startService } from '../../../src/kit/service.ts';
import { connectXenStore, XENBUS_DEVICE } from '../../../src/kit/xenstore-client.ts';
import { clock, streams } from '../../../src/xen/real/adapter.ts';
import { CONDUCTOR_DOMID } from '../plan.ts';
import { conduct } from './conduct.ts';
import { readOrders } from './orders.ts';

startService('conductor', ({ parameters, log }) =>
  conduct({
    ...readOrders(parameters),
    store: connectXenStore(streams.open(XENBUS_DEVICE, 'r+'), clock),
    self: CONDUCTOR_DOMID,
    server: [XENSTORE_LOGIC_DOMID, XENSTORE_STATE_DOMID],
    log,
  }),
);
