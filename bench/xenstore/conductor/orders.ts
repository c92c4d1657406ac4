/** What the conductor is told by boot parameters, wherever it runs. */
import { type BootParameters, numberParameter } from '../../../src/contracts/boot-parameters.ts';
import type { Orders } from './conduct.ts';

export const readOrders = (parameters: BootParameters): Orders => ({
  clients: numberParameter(parameters, 'clients'),
  durationMs: numberParameter(parameters, 'duration-ms'),
});

export const ordersParameters = ({ clients, durationMs }: Orders): BootParameters => ({
  clients: String(clients),
  'duration-ms': String(durationMs),
});
