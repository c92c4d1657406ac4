/** What BlkBack and NetBack have in common: they say how they are, and stop when Builder says so. */
import { stateNode } from '../contracts/builder.ts';
import type { DomId, Log, Power } from '../xen/ports.ts';
import type { XenStore } from '../xen/xenstore-port.ts';
import { countStart } from './starts.ts';

export interface DriverVm {
  readonly domid: DomId;
  readonly home: string;
}

/** Ends what `start` began, before the power goes off. */
export type Stop = () => Promise<void>;

/**
 * Runs `start` and writes its outcome to the VM's state node. Resolves when the VM serves; it then stops when it is asked to, as it
 * does while it still starts.
 */
export async function runDriverVm(
  ports: { readonly store: XenStore; readonly power: Power; readonly log: Log },
  start: (vm: DriverVm) => Promise<Stop>,
): Promise<void> {
  const { store, power, log } = ports;
  const domid = await ownDomid(store);
  const vm = { domid, home: `/local/domain/${domid}` };
  void countStart(store, domid, log);
  let stop: Stop = async () => {};
  const stopWhenAsked = async (): Promise<void> => {
    await shutdownRequest(store, vm.home);
    log('stopping');
    await stop().catch((error: unknown) => log(`while stopping: ${String(error)}`));
    power.off();
  };
  stopWhenAsked().catch((error: unknown) => log(`cannot be asked to stop: ${String(error)}`));
  await store.write(stateNode(domid), 'starting');
  try {
    stop = await start(vm);
  } catch (error) {
    await store.write(stateNode(domid), `failed:${error instanceof Error ? error.message : String(error)}`);
    throw error;
  }
  await store.write(stateNode(domid), 'ready');
}

/** XenStore takes a path without a leading slash as relative to the reader's home. */
async function ownDomid(store: XenStore): Promise<DomId> {
  const value = await store.read('domid');
  if (value === null || !/^\d{1,5}$/.test(value)) throw new Error(`XenStore says this VM's domid is ${value}`);
  return Number(value);
}

/**
 * Resolves when somebody asks for a shutdown through `control/shutdown`. Linux acknowledges the same node by emptying it, often
 * before we have read it: so what counts is that it changed, whatever it holds by now.
 * @source Linux drivers/xen/manage.c, shutdown_handler
 */
function shutdownRequest(store: XenStore, home: string): Promise<void> {
  const node = `${home}/control/shutdown`;
  return new Promise((resolve, reject) => {
    let first = true;
    const look = async (): Promise<void> => {
      const wasFirst = first;
      first = false;
      const value = await store.read(node);
      if (value === 'poweroff' || (value !== null && !wasFirst)) resolve();
    };
    store.watch(node, () => void look().catch(reject)).catch(reject);
  });
}
