/** Builder's end of XenStore, as a process of its own: see relayed-store.ts. */
import * as rt from 'ennead:rt';
import { carry } from '../../kit/carry.ts';
import { XENBUS_DEVICE } from '../../kit/xenstore-client.ts';

const STDIN = 0;
const STDOUT = 1;
/** Builder's process is then started again, and starts another one. */
const EXIT_LOST = 1;

const device = rt.open(XENBUS_DEVICE, 'r+');
carry(STDIN, device, () => rt.exit(EXIT_LOST));
carry(device, STDOUT, () => rt.exit(EXIT_LOST));
