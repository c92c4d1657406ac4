/** What Toolstack may ask over its link. Xen vouches for who asks; the trust list says what it may have. */
import { builderMethods } from '../../contracts/builder.ts';
import { type RpcMethods, rpcMethod } from '../../kit/rpc.ts';
import type { DomId } from '../../xen/ports.ts';
import type { Drivers } from './drivers.ts';
import type { Guests } from './guests.ts';
import type { KnownImages } from './known-images.ts';
import type { Ledger } from './ledger.ts';
import type { BuilderPorts } from './ports.ts';
import { refusal } from './refusals.ts';
import { serviceTable } from './service-table.ts';

export interface RequestedParts {
  readonly ports: BuilderPorts;
  readonly ledger: Ledger;
  readonly guests: Guests;
  readonly drivers: Drivers;
  readonly images: KnownImages;
  /** Begins the end of the host. */
  readonly shutDown: () => void;
  readonly shuttingDown: () => boolean;
}

export function toolstackMethods(parts: RequestedParts, caller: DomId): RpcMethods {
  const { ledger, guests, drivers, images, ports } = parts;
  const whileUp = <T>(run: () => T): T => {
    if (parts.shuttingDown()) throw refusal('shutting-down', 'the host is shutting down');
    return run();
  };
  return {
    'guest.create': rpcMethod(builderMethods['guest.create'], (spec) => whileUp(() => guests.create(caller, spec))),
    'guest.startDeviceModel': rpcMethod(builderMethods['guest.startDeviceModel'], ({ domid }) =>
      whileUp(() => guests.startDeviceModel(caller, domid)),
    ),
    'guest.unpause': rpcMethod(builderMethods['guest.unpause'], ({ domid }) =>
      whileUp(() => guests.unpause(caller, domid)),
    ),
    'guest.pause': rpcMethod(builderMethods['guest.pause'], ({ domid }) => whileUp(() => guests.pause(caller, domid))),
    'guest.powerButton': rpcMethod(builderMethods['guest.powerButton'], ({ domid }) =>
      whileUp(() => guests.pressPowerButton(caller, domid)),
    ),
    'guest.reset': rpcMethod(builderMethods['guest.reset'], ({ domid }) => whileUp(() => guests.reset(caller, domid))),
    'guest.destroy': rpcMethod(builderMethods['guest.destroy'], ({ domid }) =>
      whileUp(() => guests.destroy(caller, domid)),
    ),
    'images.list': rpcMethod(builderMethods['images.list'], () => ({ images: images.list() })),
    'trust.list': rpcMethod(builderMethods['trust.list'], () => ({ records: ledger.records() })),
    'services.list': rpcMethod(builderMethods['services.list'], async () => ({
      services: await serviceTable(ports, ledger, drivers.list()),
    })),
    'drivers.list': rpcMethod(builderMethods['drivers.list'], () => ({ drivers: drivers.list() })),
    'host.shutdown': rpcMethod(builderMethods['host.shutdown'], () => whileUp(() => parts.shutDown())),
  };
}
