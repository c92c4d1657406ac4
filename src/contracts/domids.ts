/** The domids that are fixed by design: a VM knows its peers before XenStore can tell it. */
export const BOOTSTRAPPER_DOMID = 0;
export const PCIBACK_DOMID = 1;
export const XENSTORE_STATE_DOMID = 2;
export const XENSTORE_LOGIC_DOMID = 3;
export const BUILDER_DOMID = 4;
export const TOOLSTACK_DOMID = 5;
/** Driver VMs: given by Builder, in the order of their creation. */
export const FIRST_DRIVER_DOMID = 6;
export const LAST_SERVICE_DOMID = 15;
export const FIRST_GUEST_DOMID = 16;
/** Xen's DOMID_FIRST_RESERVED - 1. */
export const LAST_GUEST_DOMID = 0x7fef;
