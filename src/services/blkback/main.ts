import { startService } from '../../kit/service.ts';
import { connectXenStore, XENBUS_DEVICE } from '../../kit/xenstore-client.ts';
import { clock, files, loopDevices, power, streams, uevents } from '../../xen/real/adapter.ts';
import { runBlkback } from './blkback.ts';

startService('blkback', ({ log }) => {
  const store = connectXenStore(streams.open(XENBUS_DEVICE, 'r+'), clock);
  return runBlkback({ store, files, streams, loopDevices, uevents, clock, power, log });
});
