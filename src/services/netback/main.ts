import { startService } from '../../kit/service.ts';
import { connectXenStore, XENBUS_DEVICE } from '../../kit/xenstore-client.ts';
import { clock, files, network, power, streams, uevents } from '../../xen/real/adapter.ts';
import { runNetback } from './netback.ts';

startService('netback', ({ log }) => {
  const store = connectXenStore(streams.open(XENBUS_DEVICE, 'r+'), clock);
  return runNetback({ store, files, network, uevents, clock, power, log });
});
