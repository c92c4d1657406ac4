/** Domain 0 of the benchmark: starts the XenStore server that it is told to, and its clients. */
import { startService } from '../../../src/kit/service.ts';
import { readOrders } from '../conductor/orders.ts';
import { isEnnead, servers } from '../plan.ts';
import { conductWithDaemon } from './daemon.ts';
import { startEnnead } from './ennead.ts';

startService('domain-zero', async ({ parameters, log }) => {
  const server = servers.find((name) => name === parameters.server);
  if (!server) throw new RangeError(`boot parameter server: ${parameters.server}`);
  const orders = readOrders(parameters);
  if (isEnnead(server)) startEnnead(orders);
  else await conductWithDaemon(server, orders, log);
});
