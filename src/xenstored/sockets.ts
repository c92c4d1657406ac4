/** The transport: a socket's connections become clients of XenStore-Logic. `<folder> <socket>` */
import * as rt from 'ennead:rt';
import { BUILDER_DOMID } from '../contracts/domids.ts';
import { connectXenStore } from '../kit/xenstore-client.ts';
import { STORE_GRANT } from '../services/xenstore-logic/ports.ts';
import { clock, streams } from '../xen/real/adapter.ts';
import { inboxes, introducer } from './layout.ts';
import { LocalXen } from './local-xen.ts';
import { RingStream } from './ring-stream.ts';
import { SocketClients } from './socket-clients.ts';
import { startInFolder } from './start.ts';

/** What xenstored makes when it starts. @source tools/xenstore/xenstored_core.c, setup_structure */
const FIRST_NODES = ['/tool', '/tool/xenstored'];

startInFolder('xenstored', async (folder, log) => {
  const [, socketPath] = rt.args;
  if (socketPath === undefined) throw new Error('which socket?');
  const xen = new LocalXen(folder, BUILDER_DOMID, inboxes.sockets);
  const { eventChannels } = xen;
  const page = xen.grants.map(introducer.domid, [STORE_GRANT], true);
  const store = connectXenStore(new RingStream(page, eventChannels, introducer.port), clock);
  for (const path of FIRST_NODES) await store.mkdir(path);
  const pages = {
    make: (domid: number) => xen.makePages(domid, STORE_GRANT, 1),
    remove: (domid: number) => xen.removePages(domid, STORE_GRANT),
  };
  const clients = new SocketClients({ store, eventChannels, pages, log });
  streams.listen(socketPath, (socket) => clients.accept(socket));
  log(`listening on ${socketPath}`);
});
