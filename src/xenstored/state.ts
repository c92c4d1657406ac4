/** XenStore-State on an ordinary host: `<folder> <limit>=<value>…` */
import * as rt from 'ennead:rt';
import { BOOTSTRAPPER_DOMID, XENSTORE_STATE_DOMID } from '../contracts/domids.ts';
import { contentsPages } from '../contracts/xenstore-contents.ts';
import { fileBox } from '../kit/file-box.ts';
import { STORE_GRANT } from '../services/xenstore-logic/ports.ts';
import { serveState } from '../services/xenstore-state/serve.ts';
import { clock } from '../xen/real/adapter.ts';
import { inboxes } from './layout.ts';
import { limitsFromArguments } from './limits.ts';
import { LocalXen } from './local-xen.ts';
import { startInFolder } from './start.ts';

/** There is no VM here to bound it: as many pages as ennead-rt has in one region (1024). They take memory when they are first written. */
const LIKE_A_VM_OF_MIB = 64;

startInFolder('xenstore-state', (folder, log) => {
  const xen = new LocalXen(folder, XENSTORE_STATE_DOMID, inboxes.state);
  xen.closeAllPorts();
  const { grants, eventChannels } = xen;
  const page = grants.map(XENSTORE_STATE_DOMID, [STORE_GRANT], true);
  serveState({
    page,
    grants,
    contentsPages: contentsPages(LIKE_A_VM_OF_MIB),
    eventChannels,
    box: fileBox(folder),
    clock,
    rootOwner: BOOTSTRAPPER_DOMID,
    limits: limitsFromArguments(rt.args.slice(1)),
    log,
  });
});
