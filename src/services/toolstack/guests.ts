/** The guests this Toolstack manages: who they are, what operators may ask of them, and what happens when one ends by itself. */
import type { GuestAction, GuestConfig } from '../../contracts/toolstack.ts';
import { RpcError } from '../../kit/rpc.ts';
import type { DomId } from '../../xen/ports.ts';
import { BootWatch, type EndReason, notBooting } from './boot-watch.ts';
import { GuestConsole } from './console.ts';
import type { DeviceModel } from './device-model.ts';
import { emulatedPc } from './emulated-machine.ts';
import { type Attendants, attend, endDomain, type GuestPorts, startDomain } from './guest-domain.ts';
import { type GuestRecord, loadRecords, recordPath, type SettledConfig, saveRecord } from './guest-record.ts';
import { settle } from './identity.ts';
import { changeMedium, volumesOf } from './media.ts';
import { home } from './nodes.ts';
import { Serial } from './serial.ts';

/** A guest that restarts itself more often than this has a fault that restarting does not cure. */
export const RESTARTS_MAX = 5;
export const RESTART_WINDOW_MS = 60_000;
const END_WAIT_MS = 120_000;
const HOST_SHUTDOWN_WAIT_MS = 60_000;

export interface Guest extends Readonly<Attendants> {
  readonly name: string;
  /** null: being built, or between two domains of a restart. */
  record: GuestRecord | null;
  config: SettledConfig;
}

interface Entry extends Guest {
  deviceModel: DeviceModel | null;
  readonly serial: Serial;
  /** Told when the guest's present domain has ended and been dealt with. */
  readonly endWaiters: Set<(reason: EndReason) => void>;
  /** While `create` watches: an end is then reported to whoever waits, and not tried again. */
  boot: BootWatch | null;
}

const notEmulated = ({ name, config }: Guest): RpcError =>
  new RpcError('guest-state', `guest ${name} is of type ${config.boot.type}: it has no emulated PC`);

export class Guests {
  private readonly entries = new Map<string, Entry>();
  private closing = false;

  constructor(private readonly ports: GuestPorts) {}

  /** Takes up the guests of an earlier process of this VM, and watches for ends. */
  async start(): Promise<void> {
    await this.adopt();
    await this.ports.xenstore.watch('@releaseDomain', () => this.lookForEnds());
  }

  all(): readonly Guest[] {
    return [...this.entries.values()];
  }

  /** By name or domid. */
  find(reference: string | number): Guest {
    return this.entry(reference);
  }

  /** Whoever uses the volume in a way that another use would disturb. */
  volumeUser(volume: string, access: 'r' | 'w'): string | null {
    for (const { name, config } of this.entries.values()) {
      if (volumesOf(config).some((used) => used.volume === volume && (used.access === 'w' || access === 'w')))
        return name;
    }
    return null;
  }

  async create(config: GuestConfig): Promise<{ name: string; domid: DomId }> {
    if (this.closing) throw new RpcError('refused', 'the host is shutting down');
    if (this.entries.has(config.name))
      throw new RpcError('guest-exists', `a guest named ${config.name} exists already; see: ennead list`);
    const entry = this.register(settle(config, this.ports.random), null);
    const boot = new BootWatch(this.ports);
    entry.boot = boot;
    try {
      const record = await entry.serial.run(() => this.bringUp(entry, []));
      const failure = await boot.watch(record, entry.console);
      if (failure === null) return { name: entry.name, domid: record.domid };
      // The answer comes when what is left of it is gone, or preserved.
      await entry.serial.run(async () => {});
      throw notBooting(entry, failure);
    } catch (error) {
      if (entry.record === null) this.forget(entry, 'the guest did not start');
      throw error;
    } finally {
      entry.boot = null;
    }
  }

  /** Asks the guest's own system; with `wait`, until it has done so. */
  async askToEnd(reference: string | number, how: 'poweroff' | 'reboot', wait: boolean): Promise<void> {
    const entry = this.entry(reference);
    const domid = this.awake(entry);
    const ended = wait ? this.nextEnd(entry, END_WAIT_MS) : null;
    await this.ask(entry, domid, how);
    if (ended && (await ended) === null)
      throw new RpcError(
        'guest-timeout',
        `guest ${entry.name} did not ${how === 'reboot' ? 'reboot' : 'shut down'} in ${END_WAIT_MS / 1000} s; to end it: ennead destroy ${entry.name}`,
      );
  }

  async pause(reference: string | number): Promise<void> {
    await this.ports.builder.pause(this.running(this.entry(reference)).domid);
  }

  async unpause(reference: string | number): Promise<void> {
    await this.ports.builder.unpause(this.running(this.entry(reference)).domid);
  }

  /** Of an emulated PC. Its system may care, or not. */
  async powerButton(reference: string | number): Promise<void> {
    await this.pressPowerButton(this.entry(reference));
  }

  screenOf(reference: string | number): DeviceModel {
    const pc = this.pcOf(reference);
    const { name, config } = this.entry(reference);
    if (emulatedPc(config)?.vga === 'none')
      throw new RpcError('guest-state', `guest ${name} has no screen (vga = "none" in its file)`);
    return pc;
  }

  /** The guest's own `on_reboot` says what follows. */
  async reset(reference: string | number): Promise<void> {
    await this.ports.builder.reset(this.running(this.entry(reference)).domid);
  }

  /** A key of Linux's SysRq. What comes of it, the guest's console shows. */
  async sysrq(reference: string | number, letter: string): Promise<void> {
    const entry = this.entry(reference);
    const domid = this.awake(entry);
    // Linux listens for this and for orders to power off, or for neither.
    if (!(await this.hears(entry, domid, 'poweroff')))
      throw new RpcError('guest-state', `the system of guest ${entry.name} has no Xen drivers and cannot hear SysRq`);
    await this.ports.xenstore.write(`${home(domid)}/control/sysrq`, letter);
  }

  /** `volume` null: takes the medium out. */
  async changeMedium(reference: string | number, vdev: string, volume: string | null): Promise<void> {
    const entry = this.entry(reference);
    await entry.serial.run(async () => {
      const record = this.running(entry);
      const settled = (config: SettledConfig) => {
        entry.config = config;
        entry.record = { ...record, config };
        return saveRecord(this.ports.xenstore, entry.record);
      };
      await changeMedium(this.ports, record, this.pcOf(reference), { vdev, volume }, settled);
    });
  }

  async destroy(reference: string | number): Promise<void> {
    const entry = this.entry(reference);
    // Nobody waits any more for a Qemu VM that does not answer.
    await entry.deviceModel?.close();
    await entry.serial.run(() => this.takeDown(entry, 'destroyed'));
  }

  /** Ends every guest, gently first. */
  async shutDownAll(): Promise<void> {
    this.closing = true;
    const running = [...this.entries.values()].filter((entry) => entry.record?.phase === 'running');
    await Promise.all(
      running.map(async (entry) => {
        const ended = this.nextEnd(entry, HOST_SHUTDOWN_WAIT_MS);
        await this.ports.builder.unpause(entry.record!.domid).catch(() => {});
        await this.ask(entry, entry.record!.domid, 'poweroff').catch((error: unknown) => this.ports.log(String(error)));
        await ended;
      }),
    );
    await Promise.all([...this.entries.values()].map((entry) => this.destroy(entry.name)));
  }

  private entry(reference: string | number): Entry {
    const found =
      typeof reference === 'string'
        ? this.entries.get(reference)
        : [...this.entries.values()].find((entry) => entry.record?.domid === reference);
    if (!found) throw new RpcError('unknown-guest', `no guest ${reference}; see: ennead list`);
    return found;
  }

  /** Through XenStore, if its system listens there; else through the power button of its emulated PC. */
  private async ask(entry: Entry, domid: DomId, how: 'poweroff' | 'reboot'): Promise<void> {
    if (await this.hears(entry, domid, how)) return this.ports.xenstore.write(`${home(domid)}/control/shutdown`, how);
    if (how === 'poweroff') return this.pressPowerButton(entry);
    throw new RpcError(
      'guest-state',
      `the system of guest ${entry.name} has no Xen drivers and cannot be asked to reboot; to reset it: ennead reset ${entry.name}`,
    );
  }

  /** A paravirtual system does, for all that anybody knows; one on an emulated PC, if its Xen drivers have said so. */
  private async hears({ config }: Entry, domid: DomId, order: 'poweroff' | 'reboot'): Promise<boolean> {
    if (config.boot.type !== 'hvm') return true;
    return (await this.ports.xenstore.read(`${home(domid)}/control/feature-${order}`)) === '1';
  }

  /** Xen emulates this button itself: a Qemu VM has no part in it. */
  private async pressPowerButton(entry: Entry): Promise<void> {
    const { domid } = this.running(entry);
    const { boot } = entry.config;
    if (boot.type !== 'hvm') throw notEmulated(entry);
    if (!boot.acpi)
      throw new RpcError(
        'guest-state',
        `the PC of guest ${entry.name} has no ACPI (acpi = 0 in its file), and so no power button`,
      );
    await this.ports.builder.pressPowerButton(domid);
  }

  private pcOf(reference: string | number): DeviceModel {
    const entry = this.entry(reference);
    this.running(entry);
    if (!entry.deviceModel) throw notEmulated(entry);
    return entry.deviceModel;
  }

  private awake(entry: Entry): DomId {
    const { domid } = this.running(entry);
    if (this.ports.domains.info(domid)?.paused)
      throw new RpcError('guest-state', `guest ${entry.name} is paused and cannot hear; first: ennead unpause`);
    return domid;
  }

  private running(entry: Entry): GuestRecord {
    if (entry.record?.phase === 'running') return entry.record;
    const state = entry.record?.phase === 'preserved' ? 'has ended and is preserved' : 'is being built or removed';
    throw new RpcError('guest-state', `guest ${entry.name} ${state}`);
  }

  private register(config: SettledConfig, record: GuestRecord | null): Entry {
    const entry: Entry = {
      name: config.name,
      config,
      record,
      console: new GuestConsole(),
      deviceModel: null,
      onDeviceModelFailed: () => this.lookForEnds(),
      serial: new Serial(),
      endWaiters: new Set(),
      boot: null,
    };
    this.entries.set(config.name, entry);
    return entry;
  }

  private forget(entry: Entry, why: string): void {
    entry.console.end(why);
    if (this.entries.get(entry.name) === entry) this.entries.delete(entry.name);
  }

  private async bringUp(entry: Entry, restartsMs: readonly number[]): Promise<GuestRecord> {
    const record = await startDomain(this.ports, entry.config, entry, restartsMs);
    entry.record = record;
    this.ports.log(`guest ${entry.name}: domain ${record.domid} runs`);
    // It may have ended before anybody knew that it was ours.
    this.lookForEnds();
    return record;
  }

  private async takeDown(entry: Entry, reason: EndReason): Promise<void> {
    const { record } = entry;
    if (!record || this.entries.get(entry.name) !== entry) return;
    entry.boot?.ended(reason);
    entry.record = { ...record, phase: 'ending' };
    await saveRecord(this.ports.xenstore, entry.record);
    await endDomain(this.ports, record, entry);
    entry.record = null;
    this.ports.log(`guest ${entry.name}: domain ${record.domid} is gone (${reason})`);
    this.forget(entry, `the guest is gone: ${reason}`);
    this.tellEnd(entry, reason);
  }

  private lookForEnds(): void {
    for (const entry of this.entries.values()) {
      entry.deviceModel?.look();
      if (this.endOf(entry) === null) continue;
      entry.serial
        .run(() => this.onEnded(entry))
        .catch((error: unknown) => this.ports.log(`guest ${entry.name}: ${String(error)}`));
    }
  }

  /** A guest whose PC is emulated no more has crashed, whatever its own processors do. null: it runs, or is not to be judged. */
  private endOf({ record, deviceModel }: Entry): EndReason | null {
    if (record?.phase !== 'running') return null;
    const info = this.ports.domains.info(record.domid);
    if (!info || info.dying) return 'destroyed';
    return info.shutdown ?? (deviceModel && deviceModel.failure !== null ? 'crash' : null);
  }

  private async onEnded(entry: Entry): Promise<void> {
    const { record } = entry;
    const reason = this.endOf(entry);
    if (!record || reason === null) return;
    const asked = this.actionFor(entry, reason);
    const action = entry.boot?.ended(reason) && asked === 'restart' ? 'destroy' : asked;
    this.ports.log(`guest ${entry.name}: ${reason}, ${action}; its console ended with: ${entry.console.lastLine()}`);
    if (action === 'preserve') await this.preserve(entry, record);
    else if (action === 'restart') await this.restart(entry, record);
    else return this.takeDown(entry, reason);
    this.tellEnd(entry, reason);
  }

  private actionFor(entry: Entry, reason: EndReason): GuestAction {
    const { onPoweroff, onReboot, onCrash } = entry.config;
    if (reason === 'destroyed' || this.closing) return 'destroy';
    if (reason === 'poweroff') return onPoweroff;
    if (reason === 'reboot') return onReboot;
    return reason === 'crash' || reason === 'watchdog' ? onCrash : 'destroy';
  }

  /** Its memory and its console's backlog stay for whoever wants to look; its devices too. Without its Qemu VM it would run on in part. */
  private async preserve(entry: Entry, record: GuestRecord): Promise<void> {
    if (entry.deviceModel)
      await this.ports.builder
        .pause(record.domid)
        .catch((error: unknown) => this.ports.log(`guest ${entry.name}: ${String(error)}`));
    entry.record = { ...record, phase: 'preserved' };
    await saveRecord(this.ports.xenstore, entry.record);
  }

  private async restart(entry: Entry, record: GuestRecord): Promise<void> {
    const nowMs = this.ports.clock.wallClockMs();
    const recent = record.restartsMs.filter((ms) => nowMs - ms < RESTART_WINDOW_MS);
    if (recent.length >= RESTARTS_MAX) {
      this.ports.log(`guest ${entry.name}: ${RESTARTS_MAX} restarts within ${RESTART_WINDOW_MS / 1000} s, given up`);
      return this.takeDown(entry, 'destroyed');
    }
    await endDomain(this.ports, record, entry);
    entry.record = null;
    try {
      await this.bringUp(entry, [...recent, nowMs]);
    } catch (error) {
      this.forget(entry, 'the guest did not start again');
      throw error;
    }
  }

  /** null: not within that time. */
  private nextEnd(entry: Entry, timeoutMs: number): Promise<EndReason | null> {
    return new Promise((resolve) => {
      const done = (reason: EndReason | null) => {
        cancel();
        entry.endWaiters.delete(done);
        resolve(reason);
      };
      const cancel = this.ports.clock.after(timeoutMs, () => done(null));
      entry.endWaiters.add(done);
    });
  }

  private tellEnd(entry: Entry, reason: EndReason): void {
    for (const waiter of [...entry.endWaiters]) waiter(reason);
  }

  private async adopt(): Promise<void> {
    const { xenstore, log, builder, ownDomid } = this.ports;
    const { records, broken } = await loadRecords(xenstore);
    for (const name of broken) {
      log(`the record of guest domain ${name} cannot be understood and is dropped`);
      await xenstore.remove(recordPath(name));
    }
    for (const record of records) await this.adoptOne(record);
    const known = new Set(records.flatMap(({ domid, deviceModel }) => [domid, deviceModel]));
    for (const { domid, role, parent } of await builder.trustRecords()) {
      if (role !== 'guest' || parent !== ownDomid || known.has(domid)) continue;
      log(`domain ${domid} was never completed and is destroyed`);
      await builder.destroy(domid);
    }
  }

  private async adoptOne(record: GuestRecord): Promise<void> {
    const { log } = this.ports;
    const entry = this.register(record.config, record);
    const alive = this.ports.domains.info(record.domid) !== null;
    if (record.phase === 'building' || record.phase === 'ending' || !alive) {
      await this.takeDown(entry, 'destroyed').catch((error: unknown) => log(`guest ${entry.name}: ${String(error)}`));
      return;
    }
    try {
      await attend(this.ports, record, entry, true);
    } catch (error) {
      log(`guest ${entry.name}: no console any more: ${String(error)}`);
    }
  }
}
