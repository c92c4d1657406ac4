/** The end of the host: guests, then drivers, then the machine. Every wait has an end: a VM that hangs must not keep the power on. */
import type { DomId } from '../../xen/ports.ts';
import type { Drivers } from './drivers.ts';
import type { Guests } from './guests.ts';
import type { PciBackLink } from './pciback-link.ts';
import type { BuilderPorts } from './ports.ts';
import type { Vms } from './vms.ts';
import { askToShutDown } from './xenstore-homes.ts';

/** A file system is unmounted and a disk's cache written. */
const DRIVERS_TIMEOUT_MS = 30_000;

export interface HostParts {
  readonly guests: Guests;
  readonly drivers: Drivers;
  readonly vms: Vms;
  readonly pciback: PciBackLink;
}

export async function shutDownHost(ports: BuilderPorts, { guests, drivers, vms, pciback }: HostParts): Promise<void> {
  const { domains, log, store } = ports;
  await step(ports, 'guests', () => guests.destroyAll());
  const running = drivers.list().flatMap(({ domid }) => (domains.info(domid)?.shutdown === null ? [domid] : []));
  // Linux in a driver VM talks to PCIBack once more when it lets go of its device, and waits seconds for one that is held.
  await step(ports, 'pciback', async () => pciback.wake());
  await step(ports, 'driver VMs', async () => {
    for (const domid of running) await askToShutDown(store, domid);
    await allShutDown(ports, running);
  });
  for (const domid of running) await step(ports, `domain ${domid}`, () => vms.takeApart(domid));
  log('powers the machine off');
  await pciback.powerOff();
}

/** What fails on the way down is said and passed over. */
async function step({ log }: BuilderPorts, what: string, run: () => Promise<void>): Promise<void> {
  await run().catch((error: unknown) => log(`while shutting down: ${what}: ${String(error)}`));
}

async function allShutDown({ domains, store, clock }: BuilderPorts, waitedFor: readonly DomId[]): Promise<void> {
  const up = (): DomId[] => waitedFor.filter((domid) => domains.info(domid)?.shutdown === null);
  let unwatch: (() => Promise<void>) | null = null;
  try {
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.after(DRIVERS_TIMEOUT_MS, () =>
        reject(new Error(`still running after ${DRIVERS_TIMEOUT_MS} ms: ${up().join(', ')}`)),
      );
      const look = (): void => {
        if (up().length > 0) return;
        cancel();
        resolve();
      };
      store.watch('@releaseDomain', look).then((end) => {
        unwatch = end;
      }, reject);
    });
  } finally {
    await (unwatch as (() => Promise<void>) | null)?.();
  }
}
