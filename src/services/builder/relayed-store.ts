/**
 * The way to XenStore through a second process. Who sets a watch through Linux's device is held inside of the kernel until XenStore has answered; a Builder
 * that is held there when XenStore-Logic ends could not build it again, and would wait for ever.
 * @source Linux drivers/xen/xenbus/xenbus_dev_frontend.c, xenbus_write_watch; xenbus_xs.c, read_reply
 */
import * as rt from 'ennead:rt';
import type { ByteStream } from '../../xen/ports.ts';
import { streamOf } from '../../xen/real/adapter.ts';

const RUNTIME = '/init';
/** Under the name /init the program would supervise a second service. */
const RELAY = '/store-relay';
const STDERR = 2;
const EXIT_RELAY_LOST = 1;

/** One that ends takes this process with it: what had been asked would never be answered. */
export function relayedStore(): ByteStream {
  if (rt.stat(RELAY) === null) rt.symlink(RUNTIME, RELAY);
  const requests = rt.pipe();
  const answers = rt.pipe();
  const stdio = { stdin: requests.readFd, stdout: answers.writeFd, stderr: STDERR };
  const { pidfd } = rt.spawn({ argv: [RELAY, `${RELAY}.qbc`], ...stdio });
  rt.onReadable(pidfd, () => rt.exit(EXIT_RELAY_LOST));
  rt.close(requests.readFd);
  rt.close(answers.writeFd);
  const to = streamOf(requests.writeFd);
  const from = streamOf(answers.readFd);
  return {
    read: from.read,
    onReadable: from.onReadable,
    write: to.write,
    onWritable: to.onWritable,
    close() {
      to.close();
      from.close();
    },
  };
}
