import * as rt from 'ennead:rt';
import { BUILDER_LINK } from '../../contracts/builder.ts';
import { acceptLinks } from '../../kit/link-accept.ts';
import { startService } from '../../kit/service.ts';
import { connectXenStore } from '../../kit/xenstore-client.ts';
import { clock, domainControl, eventChannels, files, grants, hostInfo } from '../../xen/real/adapter.ts';
import { Builder } from './builder.ts';
import { relayedStore } from './relayed-store.ts';

/** A kernel and its ramdisk are loaded in one handler, and Xen takes a domain apart in one. */
const HANDLER_LIMIT_MS = 120_000;

startService('builder', ({ parameters, log }) => {
  rt.setHandlerLimit(HANDLER_LIMIT_MS);
  const store = connectXenStore(relayedStore(), clock);
  const builder = new Builder(
    {
      domains: domainControl,
      host: hostInfo,
      files,
      store,
      clock,
      box: { read: rt.boxRead, write: rt.boxWrite },
      log,
      acceptLinks: (client, onLink) =>
        acceptLinks({ grants, eventChannels, xenstore: store }, { name: BUILDER_LINK, client }, onLink, log),
    },
    parameters,
  );
  return builder.start();
});
