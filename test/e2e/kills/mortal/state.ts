/** XenStore-State as it is, with a killer beside it. */
import './beside.ts';
import '../../../../src/services/xenstore-state/main.ts';
