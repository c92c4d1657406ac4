import { BUILDER_LINK } from '../../contracts/builder.ts';
import { BUILDER_DOMID } from '../../contracts/domids.ts';
import { offerLink } from '../../kit/link-offer.ts';
import { startService } from '../../kit/service.ts';
import { connectXenStore, XENBUS_DEVICE } from '../../kit/xenstore-client.ts';
import { clock, devices, eventChannels, files, grants, power, streams } from '../../xen/real/adapter.ts';
import { runPciBack } from './pciback.ts';

startService('pciback', ({ log }) => {
  const store = connectXenStore(streams.open(XENBUS_DEVICE, 'r+'), clock);
  const link = { name: BUILDER_LINK, server: BUILDER_DOMID };
  return runPciBack({
    store,
    devices,
    files,
    power,
    log,
    offerLink: () => offerLink({ grants, eventChannels, xenstore: store }, link),
  });
});
