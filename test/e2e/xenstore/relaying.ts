/** What domain 0 and its relays agree on. */
import { type BootParameters, numberParameter } from '../../../src/contracts/boot-parameters.ts';
import type { DomId, EventPort } from '../../../src/xen/ports.ts';

export const PAGE_PARAMETER = 'store-page';
/** A word of the store page that XenStore does not use: the relay's port for the server, 0 until it has one. */
export const STORE_PORT_OFFSET = 4092;

export interface RelayOrders {
  /** The domain that serves XenStore. */
  readonly server: DomId;
  /** Domain 0's port for this relay. */
  readonly conductor: EventPort;
}

export const relayParameters = {
  encode: ({ server, conductor }: RelayOrders): BootParameters => ({
    server: String(server),
    conductor: String(conductor),
  }),
  decode: (parameters: BootParameters): RelayOrders => ({
    server: numberParameter(parameters, 'server'),
    conductor: numberParameter(parameters, 'conductor'),
  }),
};
