/**
 * A client VM, without a store client: Linux is told of no XenStore, and domain 0 maps the VM's store page and writes requests into its ring. What
 * only the VM itself can do is make an event on its own store channel; so this program passes events on, in both directions.
 */
import { numberParameter } from '../../../../src/contracts/boot-parameters.ts';
import { BOOTSTRAPPER_DOMID } from '../../../../src/contracts/domids.ts';
import { startService } from '../../../../src/kit/service.ts';
import { DOMID_SELF } from '../../../../src/xen/ports.ts';
import { eventChannels, foreignMemory } from '../../../../src/xen/real/adapter.ts';
import { PAGE_PARAMETER, relayParameters, STORE_PORT_OFFSET } from '../relaying.ts';

startService('relay', ({ parameters }) => {
  const { server, conductor } = relayParameters.decode(parameters);
  const page = foreignMemory.map(DOMID_SELF, [numberParameter(parameters, PAGE_PARAMETER)], true);
  const toServer = eventChannels.allocUnbound(server);
  const toConductor = eventChannels.bindInterdomain(BOOTSTRAPPER_DOMID, conductor);
  eventChannels.onEvent(toServer, () => eventChannels.notify(toConductor));
  eventChannels.onEvent(toConductor, () => eventChannels.notify(toServer));
  page.store32(STORE_PORT_OFFSET, toServer);
  eventChannels.notify(toConductor);
});
