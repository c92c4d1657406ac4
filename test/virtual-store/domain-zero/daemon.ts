/** Debian's xenstored or oxenstored as a process of domain 0. */
import * as rt from 'ennead:rt';
import { connectXenStore } from '../../../src/kit/xenstore-client.ts';
import type { Log } from '../../../src/xen/ports.ts';
import { clock, files, streams } from '../../../src/xen/real/adapter.ts';
import type { XenStore } from '../../../src/xen/xenstore-port.ts';

const SOCKET = '/run/xenstored/socket';
/** Where its socket and its process number go. */
const FOLDERS = ['/run/xen', '/run/xenstored'];
const OUTPUT_BYTES = 512;

/** Resolves when it serves its socket: it closes its standard output then. */
export async function startDaemon(argv: readonly [name: string, ...string[]], log: Log): Promise<XenStore> {
  // xenstored finds its own ring there.
  files.mount('xenfs', '/proc/xen', 'xenfs');
  for (const folder of FOLDERS) files.makeDirectory(folder);
  const { readFd, writeFd } = rt.pipe();
  const [name, ...options] = argv;
  rt.spawn({ argv: [`/usr/sbin/${name}`, ...options], stdout: writeFd, stderr: writeFd });
  rt.close(writeFd);
  await new Promise<void>((resolve) => {
    rt.onReadable(readFd, () => {
      const output = rt.read(readFd, OUTPUT_BYTES);
      if (output === null) return;
      if (output.length > 0) return log(new TextDecoder().decode(output));
      rt.close(readFd);
      resolve();
    });
  });
  return connectXenStore(streams.connect(SOCKET), clock);
}
