import * as rt from 'ennead:rt';
import { BUILDER_LINK } from '../../contracts/builder.ts';
import { BUILDER_DOMID } from '../../contracts/domids.ts';
import { offerLink } from '../../kit/link-offer.ts';
import { rpcPeer } from '../../kit/rpc.ts';
import { startService } from '../../kit/service.ts';
import { connectXenStore, XENBUS_DEVICE } from '../../kit/xenstore-client.ts';
import {
  clock,
  domainControl,
  eventChannels,
  files,
  grants,
  hostInfo,
  processes,
  streams,
} from '../../xen/real/adapter.ts';
import { builderClient } from './builder-client.ts';
import { serveConnection } from './connection.ts';
import { blockDevices } from './real-block-devices.ts';
import { forgetSshServer, prepareAccount, runSshServer, sshServerListens, TOOLSTACK_SOCKET } from './ssh-server.ts';
import { Toolstack } from './toolstack.ts';

const OS_RELEASE = '/proc/sys/kernel/osrelease';
const RELEASE_BYTES_MAX = 256;
/** The session program runs as another user of this VM. */
const SOCKET_MODE = 0o666;
/** Everything this VM serves depends on Builder: without the link, a fresh process makes a new one. */
const EXIT_LINK_LOST = 1;

startService('toolstack', async ({ log }) => {
  const xenstore = connectXenStore(streams.open(XENBUS_DEVICE, 'r+'), clock);
  const link = await offerLink({ grants, eventChannels, xenstore }, { name: BUILDER_LINK, server: BUILDER_DOMID });
  link.onClosed((why) => {
    log(`the link to Builder is lost: ${why}`);
    rt.exit(EXIT_LINK_LOST);
  });
  const toolstack = new Toolstack({
    clock,
    grants,
    eventChannels,
    xenstore,
    blockDevices,
    log,
    domains: domainControl,
    host: hostInfo,
    builder: builderClient(rpcPeer(link, {})),
    ownDomid: Number(await xenstore.read('domid')),
    random: (length) => rt.randomBytes(length),
    linuxVersion: new TextDecoder().decode(files.read(OS_RELEASE, RELEASE_BYTES_MAX)).trim(),
  });
  await toolstack.start();
  if (files.stat(TOOLSTACK_SOCKET) !== null) files.remove(TOOLSTACK_SOCKET);
  streams.listen(TOOLSTACK_SOCKET, (stream) => void serveConnection(toolstack, stream));
  rt.chmod(TOOLSTACK_SOCKET, SOCKET_MODE);
  const ssh = { files: { ...files, link: rt.symlink }, processes, clock, log };
  prepareAccount(ssh);
  forgetSshServer(ssh);
  runSshServer(ssh);
  await sshServerListens(ssh);
  await toolstack.driversSettled();
});
