/** PCIBack's life: it keeps every storage and network controller, tells Builder of them, and hands each to the VM that Builder names. */

import { PCIBACK_DOMID } from '../../contracts/domids.ts';
import { type Controller, pcibackMethods } from '../../contracts/pci-handover.ts';
import type { MessageLink } from '../../kit/link.ts';
import { RpcError, type RpcMethods, rpcMethod, rpcPeer } from '../../kit/rpc.ts';
import { countStart } from '../../kit/starts.ts';
import type { Files, Log, Power } from '../../xen/ports.ts';
import { type HandOver, type HandOverPorts, handDevice, returnDevice } from './hand-over.ts';
import { keepDevice } from './pciback-driver.ts';
import { findControllers } from './sysfs.ts';

export interface PciBackPorts extends HandOverPorts {
  readonly files: Files;
  readonly power: Power;
  readonly log: Log;
  /** Offers Builder a link. */
  offerLink(): Promise<MessageLink>;
}

/** Builder makes this VM's home when it starts; until then XenStore has nothing for us. */
const HOME_TIMEOUT_MS = 120_000;

export async function runPciBack(ports: PciBackPorts): Promise<void> {
  const { files, log, store } = ports;
  // Binding resets the devices: done while Builder and XenStore still boot.
  const controllers = findControllers(files).filter((controller) => kept(ports, controller));
  for (const { kind, bdf } of controllers) log(`${kind} controller ${bdf}`);
  await store.waitFor('domid', (value) => value ?? undefined, HOME_TIMEOUT_MS);
  void countStart(store, PCIBACK_DOMID, log);
  await serve(ports, controllers);
}

/** A controller that cannot be kept is not reported; the others are. */
function kept({ files, log }: PciBackPorts, { bdf }: Controller): boolean {
  try {
    keepDevice(files, bdf);
    return true;
  } catch (error) {
    log(`controller ${bdf} cannot be handed over: ${String(error)}`);
    return false;
  }
}

/** Builder asks, PCIBack answers. A link that is broken is offered anew. */
async function serve(ports: PciBackPorts, controllers: readonly Controller[]): Promise<void> {
  const peer = rpcPeer(await ports.offerLink(), methods(ports, controllers), {
    onInternalError: (method, error) => ports.log(`${method}: ${String(error)}`),
  });
  peer.onClosed((why) => {
    ports.log(`link to builder closed: ${why}`);
    serve(ports, controllers).catch((error: unknown) => ports.log(`no link to builder: ${String(error)}`));
  });
}

function methods(ports: PciBackPorts, controllers: readonly Controller[]): RpcMethods {
  const reported = ({ bdf }: HandOver): void => {
    if (!controllers.some((controller) => controller.bdf === bdf))
      throw new RpcError('unknown-device', `${bdf} is no controller of mine`);
  };
  return {
    'controllers.list': rpcMethod(pcibackMethods['controllers.list'], () => ({ controllers })),
    'device.hand': rpcMethod(pcibackMethods['device.hand'], (given) => {
      reported(given);
      return refused(handDevice(ports, given));
    }),
    'device.return': rpcMethod(pcibackMethods['device.return'], (given) => {
      reported(given);
      return refused(returnDevice(ports, given));
    }),
    'power.off': rpcMethod(pcibackMethods['power.off'], () => {
      ports.files.sync();
      ports.power.off();
    }),
  };
}

/** Builder must learn what Xen or XenStore said. */
async function refused(done: Promise<void>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new RpcError('xen-refused', error.message);
    throw error;
  }
}
