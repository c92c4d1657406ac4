/** What `ennead services` shows: each service VM as Xen has it now. */
import type { DriverStatus, ServiceStatus, TrustRecord } from '../../contracts/builder.ts';
import { type CataloguedService, serviceCatalogue } from '../../contracts/service-catalogue.ts';
import { startsOf } from '../../kit/starts.ts';
import type { DomainInfo, DomId } from '../../xen/ports.ts';
import type { Ledger } from './ledger.ts';
import type { BuilderPorts } from './ports.ts';

export async function serviceTable(
  { domains, store }: Pick<BuilderPorts, 'domains' | 'store'>,
  ledger: Ledger,
  drivers: readonly DriverStatus[],
): Promise<ServiceStatus[]> {
  const { job, memoryMib } = serviceCatalogue.bootstrapper;
  const table: ServiceStatus[] = [
    { name: 'bootstrapper', job, domid: null, memoryMib, state: 'done', upSince: null, resets: 0 },
  ];
  for (const vm of ledger.entries()) {
    const { domid, role, name } = vm.record;
    if (role === 'guest') continue;
    const info = domains.info(domid);
    table.push({
      name,
      job: jobOf(vm.record),
      domid: info && domid,
      memoryMib: vm.memoryMib,
      state: stateOf(
        info,
        drivers.find((driver) => driver.domid === domid),
      ),
      upSince: vm.since,
      resets: await resetsOf(store, domid),
    });
  }
  return table;
}

/** A second driver VM of a kind is called `blkback-2`; a Qemu VM after its guest. */
const jobOf = ({ role, name }: TrustRecord): string =>
  serviceCatalogue[role === 'device-model' ? 'qemu' : (name.replace(/-\d+$/, '') as CataloguedService)].job;

function stateOf(info: DomainInfo | null, driver: DriverStatus | undefined): ServiceStatus['state'] {
  if (!info || info.dying || info.shutdown !== null || driver?.failure) return 'failed';
  if (info.paused) return 'paused';
  return driver && !driver.ready ? 'starting' : 'running';
}

const resetsOf = async (store: BuilderPorts['store'], domid: DomId): Promise<number> =>
  Math.max(0, (await startsOf(store, domid)) - 1);
