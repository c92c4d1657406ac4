import { startService } from '../../kit/service.ts';
import { connectXenStore, XENBUS_DEVICE } from '../../kit/xenstore-client.ts';
import {
  clock,
  eventChannels,
  files,
  grants,
  network,
  power,
  processes,
  streams,
  uevents,
} from '../../xen/real/adapter.ts';
import { runQemu } from './qemu.ts';

startService('qemu', ({ log }) => {
  const store = connectXenStore(streams.open(XENBUS_DEVICE, 'r+'), clock);
  return runQemu({ store, files, streams, processes, network, uevents, clock, power, grants, eventChannels, log });
});
