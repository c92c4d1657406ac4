/** What `ennead services` shows: each service VM as Xen has it now. */
import type { DriverStatus, ServiceStatus } from '../../contracts/builder.ts';
import { type CataloguedService, serviceCatalogue } from '../../contracts/service-catalogue.ts';
import type { DomainInfo } from '../../xen/ports.ts';
import type { Ledger, VmEntry } from './ledger.ts';
import type { BuilderPorts } from './ports.ts';

export function serviceTable(
  { domains }: Pick<BuilderPorts, 'domains'>,
  ledger: Ledger,
  drivers: readonly DriverStatus[],
): ServiceStatus[] {
  const { job, memoryMib } = serviceCatalogue.bootstrapper;
  const bootstrapper: ServiceStatus = {
    name: 'bootstrapper',
    job,
    domid: null,
    memoryMib,
    state: 'done',
    upSince: null,
    resets: 0,
  };
  const present = ledger.entries().filter(({ record }) => record.role === 'service');
  const driverOf = (vm: VmEntry) => drivers.find(({ domid }) => domid === vm.record.domid);
  return [bootstrapper, ...present.map((vm) => status(vm, domains.info(vm.record.domid), driverOf(vm)))];
}

function status(vm: VmEntry, info: DomainInfo | null, driver: DriverStatus | undefined): ServiceStatus {
  const { name, domid } = vm.record;
  return {
    name,
    job: jobOf(name),
    domid: info && domid,
    memoryMib: vm.memoryMib,
    state: stateOf(info, driver),
    upSince: vm.since,
    resets: 0,
  };
}

/** A second driver VM of a kind is called `blkback-2`. */
const jobOf = (name: string): string => serviceCatalogue[name.replace(/-\d+$/, '') as CataloguedService].job;

function stateOf(info: DomainInfo | null, driver: DriverStatus | undefined): ServiceStatus['state'] {
  if (!info || info.dying || info.shutdown !== null || driver?.failure) return 'failed';
  if (info.paused) return 'paused';
  return driver && !driver.ready ? 'starting' : 'running';
}
