/** The VMs that Builder did not build: Bootstrapper built them and Builder itself. Their trust records, and who is who. */
import type { TrustRecord } from '../../contracts/builder.ts';
import {
  BOOTSTRAPPER_DOMID,
  BUILDER_DOMID,
  PCIBACK_DOMID,
  XENSTORE_LOGIC_DOMID,
  XENSTORE_STATE_DOMID,
} from '../../contracts/domids.ts';
import { contextOf, domainTypes } from '../../contracts/flask-contexts.ts';
import { serviceCatalogue } from '../../contracts/service-catalogue.ts';
import type { VmEntry } from './ledger.ts';

const logicMaps = (what: 'xenstore-ring' | 'link-ring', why: string) => ({ by: XENSTORE_LOGIC_DOMID, what, why });
const xenstoreRing = logicMaps('xenstore-ring', 'the ring page of its XenStore connection (grant 1)');

type Different = Pick<TrustRecord, 'domid' | 'services' | 'memoryAccess'>;
type First = 'pciback' | 'xenstore-state' | 'xenstore-logic' | 'builder';

const different: Readonly<Record<First, Different>> = {
  pciback: {
    domid: PCIBACK_DOMID,
    services: [XENSTORE_LOGIC_DOMID, BUILDER_DOMID],
    memoryAccess: [xenstoreRing, { by: BUILDER_DOMID, what: 'link-ring', why: 'the ring of its reports' }],
  },
  'xenstore-state': {
    domid: XENSTORE_STATE_DOMID,
    services: [],
    memoryAccess: [logicMaps('link-ring', 'its only link: requests for what is stored (grant 1)')],
  },
  'xenstore-logic': { domid: XENSTORE_LOGIC_DOMID, services: [XENSTORE_STATE_DOMID], memoryAccess: [] },
  builder: {
    domid: BUILDER_DOMID,
    services: [XENSTORE_LOGIC_DOMID],
    memoryAccess: [xenstoreRing],
  },
};

export const firstVms = (since: string): VmEntry[] =>
  (Object.keys(different) as First[]).map((name) => ({
    record: {
      ...different[name],
      name,
      role: 'service',
      label: contextOf(domainTypes[name]),
      parent: BOOTSTRAPPER_DOMID,
      devices: [],
    },
    memoryMib: serviceCatalogue[name].memoryMib,
    since,
  }));
