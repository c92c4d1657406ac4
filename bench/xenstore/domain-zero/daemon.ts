/** Debian's xenstored or oxenstored as a process of domain 0, which introduces the clients and conducts. */
import * as rt from 'ennead:rt';
import { BOOTSTRAPPER_DOMID } from '../../../src/contracts/domids.ts';
import { connectXenStore } from '../../../src/kit/xenstore-client.ts';
import type { DomId, Log } from '../../../src/xen/ports.ts';
import { clock, domainControl, files, streams } from '../../../src/xen/real/adapter.ts';
import type { XenStore } from '../../../src/xen/xenstore-port.ts';
import { conduct, type Orders } from '../conductor/conduct.ts';
import { clientDomids, type Server } from '../plan.ts';
import { clientImage, createVm, loadVm } from './vms.ts';

const SOCKET = '/run/xenstored/socket';
/** Where its socket and its process number go. */
const FOLDERS = ['/run/xen', '/run/xenstored'];
const OUTPUT_BYTES = 512;

export async function startDaemon(server: Server, orders: Orders, log: Log): Promise<void> {
  await runDaemon(`/usr/sbin/${server}`, log);
  const store = connectXenStore(streams.connect(SOCKET), clock);
  for (const domid of clientDomids(orders.clients)) await startClient(store, domid);
  await conduct({ ...orders, store, self: BOOTSTRAPPER_DOMID, server: [BOOTSTRAPPER_DOMID], log });
}

/** Resolves when it serves its socket: it closes its standard output then. */
function runDaemon(program: string, log: Log): Promise<void> {
  // xenstored finds its own ring there.
  files.mount('xenfs', '/proc/xen', 'xenfs');
  for (const folder of FOLDERS) files.makeDirectory(folder);
  const { readFd, writeFd } = rt.pipe();
  rt.spawn({ argv: [program], stdout: writeFd, stderr: writeFd });
  rt.close(writeFd);
  return new Promise((resolve) => {
    rt.onReadable(readFd, () => {
      const output = rt.read(readFd, OUTPUT_BYTES);
      if (output === null) return;
      if (output.length > 0) return log(new TextDecoder().decode(output));
      rt.close(readFd);
      resolve();
    });
  });
}

async function startClient(store: XenStore, domid: DomId): Promise<void> {
  createVm(domid, 'guest');
  const port = domainControl.allocEventChannel(domid, BOOTSTRAPPER_DOMID);
  const frame = loadVm(domid, clientImage, { domid: BOOTSTRAPPER_DOMID, port });
  await store.introduce(domid, frame, port);
  domainControl.unpause(domid);
}
