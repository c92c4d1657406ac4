/**
 * The two byte rings of a XenStore page, as index arithmetic. All our own links use the same page layout: the side that offered the
 * page is the client (it writes requests and reads responses), the other one is the server.
 * @source xen/include/public/io/xs_wire.h, struct xenstore_domain_interface
 */

export const RING_BYTES = 1024;

export type RingRole = 'client' | 'server';

/** Where one direction's bytes and free-running 32-bit indices lie in the page. */
export interface RingLayout {
  readonly data: number;
  readonly consumer: number;
  readonly producer: number;
}

const requests: RingLayout = { data: 0, consumer: 2048, producer: 2052 };
const responses: RingLayout = { data: RING_BYTES, consumer: 2056, producer: 2060 };

export const SERVER_FEATURES_OFFSET = 2064;
export const CONNECTION_OFFSET = 2068;
export const ERROR_OFFSET = 2072;
/** The first byte that the structure leaves free. */
export const RING_STRUCTURE_BYTES = 2076;

/** XENSTORE_SERVER_FEATURE_RECONNECTION: a client may ask for a new conversation in the `connection` field. */
export const SERVER_FEATURE_RECONNECTION = 1;
/** XENSTORE_SERVER_FEATURE_ERROR: the page has an `error` field that the server fills. */
export const SERVER_FEATURE_ERROR = 2;
export const CONNECTION_CONNECTED = 0;
export const CONNECTION_RECONNECT = 1;
/** XENSTORE_ERROR_*: why the server gave the connection up. */
export const ringErrors = { none: 0, communication: 1, index: 2, protocol: 3 } as const;

export const inputOf = (role: RingRole): RingLayout => (role === 'client' ? responses : requests);
export const outputOf = (role: RingRole): RingLayout => (role === 'client' ? requests : responses);

/** `bad-index`: the other side claims more bytes than a ring holds. */
export type RingFault = 'bad-index';

/** How many bytes wait to be consumed. */
export function usedBytes(consumer: number, producer: number): number | RingFault {
  const used = (producer - consumer) >>> 0;
  return used <= RING_BYTES ? used : 'bad-index';
}

/** A transfer that is longer goes on at the ring's first byte. */
export const toRingEnd = (index: number): number => RING_BYTES - (index % RING_BYTES);

export const advance = (index: number, length: number): number => (index + length) >>> 0;
