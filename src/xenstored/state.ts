/** XenStore-State on an ordinary host. */
import { BOOTSTRAPPER_DOMID, XENSTORE_STATE_DOMID } from '../contracts/domids.ts';
import { fileBox } from '../kit/file-box.ts';
import { STORE_GRANT } from '../services/xenstore-logic/ports.ts';
import { serveState } from '../services/xenstore-state/serve.ts';
import { clock } from '../xen/real/adapter.ts';
import { inboxes } from './layout.ts';
import { LocalXen } from './local-xen.ts';
import { startInFolder } from './start.ts';

startInFolder('xenstore-state', (folder, log) => {
  const xen = new LocalXen(folder, XENSTORE_STATE_DOMID, inboxes.state);
  xen.closeAllPorts();
  const { grants, eventChannels } = xen;
  const page = grants.map(XENSTORE_STATE_DOMID, [STORE_GRANT], true);
  serveState({ page, grants, eventChannels, box: fileBox(folder), clock, rootOwner: BOOTSTRAPPER_DOMID, log });
});
