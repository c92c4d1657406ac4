/** What both sides of the rebuild test agree on. */

/** A value that is the last thing XenStore-Logic's VM reads. */
export const LAST_WORDS = 'the-last-request-of-this-vm';
