/** One guest's domain: how it comes to run, and how every trace of it goes. Nothing here decides when. */
import type { GuestBoot, GuestBuilt } from '../../contracts/builder.ts';
import { RpcError } from '../../kit/rpc.ts';
import { type DomainControl, type DomId, PortError } from '../../xen/ports.ts';
import type { Builder, Driver } from './builder-client.ts';
import type { GuestConsole } from './console.ts';
import { ringLine } from './console-line.ts';
import { DeviceModel, type DeviceModelPorts } from './device-model.ts';
import { BackendError, backendReady, type Device, diskDevice, plugDevice, unplugDevice, vifDevice } from './devices.ts';
import { deviceModelDevices, emulatedPc, machineOf, twinDevices } from './emulated-machine.ts';
import { guestNodes, vmPath } from './guest-nodes.ts';
import { type GuestRecord, removeRecord, type SettledConfig, saveRecord } from './guest-record.ts';
import { home } from './nodes.ts';

export interface GuestPorts extends DeviceModelPorts {
  readonly domains: Pick<DomainControl, 'list' | 'info'>;
  readonly builder: Builder;
  readonly ownDomid: DomId;
  random(length: number): Uint8Array;
}

const BACKEND_READY_TIMEOUT_MS = 30_000;
const BACKEND_CLOSED_TIMEOUT_MS = 15_000;

/** What serves a guest's domain in this process. */
export interface Attendants {
  readonly console: GuestConsole;
  /** null: the guest is paravirtual, or has no domain. */
  deviceModel: DeviceModel | null;
  onDeviceModelFailed(): void;
}

/** Builds the domain, plugs its devices, serves its console, lets it run. If anything fails, nothing is left. */
export async function startDomain(
  ports: GuestPorts,
  config: SettledConfig,
  attendants: Attendants,
  restartsMs: readonly number[],
): Promise<GuestRecord> {
  const drivers = await driversFor(ports.builder, config);
  const built = await ports.builder.createGuest({
    name: config.name,
    uuid: config.uuid,
    memoryMib: config.memoryMib,
    vcpus: config.vcpus,
    boot: bootOf(config),
    backends: [drivers.storageDomid, drivers.networkDomid].filter((of) => of !== null),
  });
  const record: GuestRecord = {
    domid: built.domid,
    config,
    phase: 'building',
    deviceModel: built.deviceModel,
    consolePort: built.consolePort,
    ...drivers,
    restartsMs: [...restartsMs],
  };
  try {
    await completeDomain(ports, record, built, attendants);
    const running: GuestRecord = { ...record, phase: 'running' };
    await saveRecord(ports.xenstore, running);
    return running;
  } catch (error) {
    await endDomain(ports, record, attendants);
    throw asOperatorError(error, config.name);
  }
}

async function completeDomain(
  ports: GuestPorts,
  record: GuestRecord,
  built: GuestBuilt,
  attendants: Attendants,
): Promise<void> {
  const { xenstore } = ports;
  await saveRecord(xenstore, record);
  await xenstore.make(guestNodes(record.config, built, ports.ownDomid));
  const devices = guestDevices(record);
  for (const device of devices) await plugDevice(xenstore, device, ports.ownDomid);
  if (record.deviceModel !== null) await ports.builder.startDeviceModel(built.domid);
  await Promise.all(devices.map((device) => backendReady(xenstore, device, BACKEND_READY_TIMEOUT_MS)));
  await attend(ports, record, attendants, false);
  await attendants.deviceModel?.start(machineOf(record));
  await ports.builder.unpause(built.domid);
}

/** `renew`: an earlier process of this VM has done so already. */
export async function attend(
  ports: GuestPorts,
  record: GuestRecord,
  attendants: Attendants,
  renew: boolean,
): Promise<void> {
  const { domid, config, deviceModel } = record;
  const hasSerial = emulatedPc(config)?.serial ?? false;
  if (!hasSerial) attendants.console.attach(ringLine(ports, domid, record.consolePort));
  if (deviceModel === null) return;
  const model = new DeviceModel(ports, deviceModel, config.name, () => attendants.onDeviceModelFailed());
  attendants.deviceModel = model;
  if (hasSerial) attendants.console.attach((events) => model.openSerial(events));
  await model.accept(renew);
}

/**
 * Destroys the domain (Builder takes its Qemu VM along) and removes what belongs to it. Its death and the back ends' farewell go on at once: Xen keeps the
 * domain until the back ends have unmapped its pages, and they do so only when its nodes say that it has gone.
 */
export async function endDomain(ports: GuestPorts, record: GuestRecord, attendants: Attendants): Promise<void> {
  const { xenstore, builder, log } = ports;
  attendants.console.detach();
  await attendants.deviceModel?.close();
  attendants.deviceModel = null;
  const destroyed = builder.destroy(record.domid).catch((error: unknown) => {
    // Builder does not know it any more: it is gone, or on its way.
    const info = ports.domains.info(record.domid);
    if (info !== null && !info.dying) throw error;
  });
  const unplugged = Promise.all(
    guestDevices(record).map(async (device) => {
      const options = { frontendGone: true, timeoutMs: BACKEND_CLOSED_TIMEOUT_MS };
      if (!(await unplugDevice(xenstore, device, options)))
        log(`${record.config.name}: domain ${device.backend} did not close ${device.kind} ${device.devid} in time`);
    }),
  );
  const outcomes = await Promise.allSettled([destroyed, unplugged]);
  await xenstore.remove(vmPath(record.config.uuid));
  await xenstore.remove(home(record.domid));
  if (record.deviceModel !== null) await xenstore.remove(home(record.deviceModel));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  // Last: as long as the record is there, a restarted Toolstack tries again.
  await removeRecord(xenstore, record.domid);
}

/** The guest's own, those that it may use in place of emulated ones, and those of its Qemu VM. */
export function guestDevices(record: GuestRecord): Device[] {
  const { domid, config, storageDomid, networkDomid } = record;
  const disks = storageDomid === null ? [] : config.disks.map((disk) => diskDevice(domid, storageDomid, disk));
  const vifs = networkDomid === null ? [] : config.vifs.map((vif, index) => vifDevice(domid, networkDomid, index, vif));
  return [...disks, ...vifs, ...twinDevices(record), ...deviceModelDevices(record)];
}

/** Builder loads firmware; which PC it finds is the Qemu VM's business. */
function bootOf({ boot }: SettledConfig): GuestBoot {
  if (boot.type !== 'hvm') return boot;
  const { machine, ...firmware } = boot;
  return { ...firmware, xenPlatform: machine.xenPlatform, console: !machine.serial };
}

async function driversFor(
  builder: Builder,
  config: SettledConfig,
): Promise<{ storageDomid: DomId | null; networkDomid: DomId | null }> {
  const pc = emulatedPc(config);
  // QEMU's own files are on a volume.
  const storage = config.disks.length > 0 || pc !== null;
  const network = config.vifs.length > 0 || (pc !== null && pc.cards.length > 0);
  const drivers = storage || network ? await builder.drivers() : [];
  return {
    storageDomid: storage ? readyDriver(drivers, 'storage') : null,
    networkDomid: network ? readyDriver(drivers, 'network') : null,
  };
}

export function readyDriver(drivers: readonly Driver[], kind: Driver['kind']): DomId {
  const driver = drivers.find((candidate) => candidate.kind === kind && candidate.ready);
  if (driver) return driver.domid;
  throw new RpcError('no-driver', `no service VM for ${kind} is ready; see: ennead services`);
}

function asOperatorError(error: unknown, name: string): unknown {
  if (error instanceof BackendError) return new RpcError('guest-not-booting', `guest ${name}: ${error.message}`);
  if (error instanceof PortError && error.code === 'ETIMEDOUT')
    return new RpcError('guest-not-booting', `guest ${name}: a back end did not answer (${error.message})`);
  return error;
}
