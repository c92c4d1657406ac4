/** Domain 0 of the kill test: builds XenStore and its clients, strikes XenStore again and again, and tells the conductor when it has ended that. */
import { startService } from '../../../../src/kit/service.ts';
import { Random } from '../../../fuzz/random.ts';
import { CONDUCTOR_DOMID, clientDomids, encodeStrike, readOrders } from '../plan.ts';
import { Machine } from './machine.ts';
import { Striker } from './striker.ts';

startService('domain-zero', ({ parameters, log }) => {
  const orders = readOrders(parameters);
  const machine = new Machine(orders);
  const striker = new Striker(machine, new Random(orders.seed));
  const strikeAll = async (): Promise<void> => {
    await Promise.all(clientDomids.map((domid) => machine.bell(domid).awaitMore(1)));
    for (let number = 1; number <= orders.strikes; number += 1)
      await striker.strike((strike) => log(encodeStrike(number, strike)));
    machine.bell(CONDUCTOR_DOMID).ring();
  };
  return strikeAll();
});
