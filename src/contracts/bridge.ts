/** The bridge of every NetBack, under the name that xl's users know. There is no other. */
export const BRIDGE = 'xenbr0';
