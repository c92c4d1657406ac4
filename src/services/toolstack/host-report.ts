/** What operators see of the host: its VMs as `xl list` shows them, itself as `xl info` does. */
import { attachedNode, type ServiceStatus } from '../../contracts/builder.ts';
import type { DomainRow, HostReport } from '../../contracts/toolstack.ts';
import type { DomainInfo, HostInfo } from '../../xen/ports.ts';
import type { XenStoreReader } from '../../xen/xenstore-port.ts';
import type { Driver } from './builder-client.ts';
import type { Guest } from './guests.ts';

const KIB_PER_MIB = 1024;
const NS_PER_SECOND = 1e9;

export function domainRows(
  domains: readonly DomainInfo[],
  services: readonly ServiceStatus[],
  guests: readonly Guest[],
): DomainRow[] {
  const names = new Map<number, string>();
  for (const { domid, name } of services) if (domid !== null) names.set(domid, name);
  for (const { record, name } of guests) {
    if (!record) continue;
    names.set(record.domid, name);
    // As xl calls them.
    if (record.deviceModel !== null) names.set(record.deviceModel, `${name}-dm`);
  }
  return domains.map((domain) => ({
    name: names.get(domain.domid) ?? '(unknown)',
    domid: domain.domid,
    memoryMib: Math.round(domain.memoryKib / KIB_PER_MIB),
    vcpus: domain.vcpus,
    state: stateOf(domain),
    flags: flagsOf(domain),
    timeSeconds: Math.round((Number(domain.cpuTimeNs) / NS_PER_SECOND) * 10) / 10,
  }));
}

const crashed = (domain: DomainInfo): boolean => domain.shutdown === 'crash' || domain.shutdown === 'watchdog';

function stateOf(domain: DomainInfo): DomainRow['state'] {
  if (domain.dying) return 'dying';
  if (domain.shutdown !== null) return crashed(domain) ? 'crashed' : 'shutdown';
  return domain.paused ? 'paused' : 'running';
}

/** xl's letters, each in its place. */
function flagsOf(domain: DomainInfo): string {
  const flags: [string, boolean][] = [
    ['r', domain.running],
    ['b', domain.blocked],
    ['p', domain.paused],
    ['s', domain.shutdown !== null],
    ['c', crashed(domain)],
    ['d', domain.dying],
  ];
  return flags.map(([letter, set]) => (set ? letter : '-')).join('');
}

type Attached = Pick<HostReport, 'bridge_ports' | 'loop_devices'>;

const attachedIn = { network: 'bridge_ports', storage: 'loop_devices' } as const satisfies Record<
  Driver['kind'],
  keyof Attached
>;

/** A driver VM that has said nothing yet, or nonsense, has none. */
export async function attachedDevices(xenstore: XenStoreReader, drivers: readonly Driver[]): Promise<Attached> {
  const counts = { bridge_ports: 0, loop_devices: 0 };
  for (const { domid, kind } of drivers) {
    const said = await xenstore.read(attachedNode(domid));
    if (said && /^\d{1,4}$/.test(said)) counts[attachedIn[kind]] += Number(said);
  }
  return counts;
}

export function hostReport(host: HostInfo, linuxVersion: string, guests: number, attached: Attached): HostReport {
  const physical = host.physical();
  const xen = host.version();
  return {
    host: 'toolstack',
    xen_version: xen.version,
    xen_changeset: xen.changeset,
    xen_commandline: xen.commandLine,
    xen_compile_date: xen.compileDate,
    linux_version: linuxVersion,
    nr_cpus: physical.cpus,
    cpu_mhz: Math.round(physical.cpuKhz / 1000),
    total_memory: Math.floor(physical.totalKib / KIB_PER_MIB),
    free_memory: Math.floor(physical.freeKib / KIB_PER_MIB),
    guests,
    flask: host.enforcing() ? 'enforcing' : 'permissive',
    dma_isolation: physical.iommu ? 'iommu' : 'none',
    ...attached,
  };
}
