/** What both sides of the rebuild test agree on: the last things that a XenStore-Logic VM reads. */

/** Of any client but Builder: a value. */
export const LAST_WORDS = 'the-last-request-of-this-vm';
/** Of Builder: it watches this when the host ends, and Linux holds who sets a watch. */
export const BUILDERS_LAST_WORDS = '@releaseDomain';
