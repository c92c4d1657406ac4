/** The boot parameter that names the clients which nobody can introduce: `<domid>:<port of its store channel>,…` */
import { LAST_GUEST_DOMID } from '../../contracts/domids.ts';
import type { DomId, EventPort } from '../../xen/ports.ts';

export interface BootClient {
  readonly domid: DomId;
  readonly port: EventPort;
}

export function decodeBootClients(parameter: string | undefined): BootClient[] {
  if (!parameter) return [];
  return parameter.split(',').map((item) => {
    const [, domid, port] = /^(\d{1,5}):(\d{1,7})$/.exec(item) ?? [];
    if (!domid || !port || Number(domid) > LAST_GUEST_DOMID) throw new RangeError(`boot parameter introduce: ${item}`);
    return { domid: Number(domid), port: Number(port) };
  });
}
