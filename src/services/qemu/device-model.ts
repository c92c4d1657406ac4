/** What Toolstack may ask: one machine, then its screen and its media. Its buttons are Xen's. */
import {
  type DeviceModelRefusal,
  deviceModelMethods,
  type Machine,
  SHOT_PART_BYTES,
  screenClosed,
  screenData,
  serialData,
} from '../../contracts/device-model.ts';
import { bytesToText, textToBytes } from '../../contracts/toolstack.ts';
import { RpcError, type RpcMethods, rpcMethod } from '../../kit/rpc.ts';
import { driveId } from './command-line.ts';
import { type EmulatorPorts, type RunningEmulator, startEmulator, waitForDevices } from './emulator.ts';
import { problemOf } from './machine.ts';
import { printable, type QmpEvent } from './qmp.ts';
import { Relay } from './relay.ts';
import { openDisk, waitForDisk } from './root.ts';
import { takeShot } from './screen-shot.ts';

const SCREEN_SESSIONS_MAX = 8;
const MEDIUM_WAIT_MS = 30_000;

/** QEMU's events that an operator wants to know. @source QEMU 7.2 qapi/run-state.json, qapi/block-core.json */
const TOLD: ReadonlyMap<string, string> = new Map([
  ['RESET', 'reset'],
  ['SHUTDOWN', 'shutdown'],
  ['BLOCK_IO_ERROR', 'io-error'],
]);

/** The way to Toolstack, whichever link it is now. */
export interface Toolstack {
  notify(method: string, params: object): void;
  /** Resolves when everything sent so far has been taken. */
  drained(): Promise<void>;
}

const refusal = (code: DeviceModelRefusal, message: string): RpcError => new RpcError(code, message);

export class DeviceModel {
  private started = false;
  private emulator: RunningEmulator | null = null;
  private machine: Machine | null = null;
  private serial: Relay | null = null;
  private readonly screens = new Map<number, Relay>();
  private shot: Uint8Array = new Uint8Array(0);
  private shooting = false;

  /** `over`: QEMU has ended, and with it the work of this VM. */
  constructor(
    private readonly ports: EmulatorPorts,
    private readonly toolstack: Toolstack,
    private readonly over: (why: string) => void,
  ) {}

  methods(): RpcMethods {
    return {
      'machine.start': rpcMethod(deviceModelMethods['machine.start'], (machine) => this.start(machine)),
      'media.change': rpcMethod(deviceModelMethods['media.change'], (change) => this.changeMedium(change)),
      'screen.shot': rpcMethod(deviceModelMethods['screen.shot'], () => this.takeShot()),
      'screen.part': rpcMethod(deviceModelMethods['screen.part'], ({ offset }) => this.partOfShot(offset)),
      'screen.open': rpcMethod(deviceModelMethods['screen.open'], ({ session }) => this.openScreen(session)),
      'screen.data': rpcMethod(screenData, ({ session, data }) => this.screens.get(session)?.write(textToBytes(data))),
      'screen.closed': rpcMethod(screenClosed, ({ session }) => this.closeScreen(session)),
      'serial.data': rpcMethod(serialData, ({ data }) => this.serial?.write(textToBytes(data))),
    };
  }

  /** Those who looked at the screen went with the link. */
  linkLost(): void {
    for (const session of [...this.screens.keys()]) this.closeScreen(session);
  }

  private async start(machine: Machine): Promise<object> {
    if (this.started) throw refusal('not-now', 'this VM emulates a machine already');
    const problem = problemOf(machine);
    if (problem) throw new RpcError('invalid-params', problem);
    this.started = true;
    const failed = (code: DeviceModelRefusal) => (error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      this.over(why);
      throw refusal(code, printable(why));
    };
    await waitForDevices(this.ports, machine).catch(failed('no-device'));
    const emulator = await startEmulator(this.ports, machine, (event) => this.tell(event)).catch(failed('qemu-failed'));
    this.machine = machine;
    this.emulator = emulator;
    void emulator.ended.then((why) => {
      this.toolstack.notify('machine.event', { what: 'crashed' });
      this.over(why);
    });
    if (machine.choices.serial) this.serial = this.relay('serial', 'serial.data', {}, () => undefined);
    return {};
  }

  private running(): RunningEmulator {
    if (!this.emulator) throw refusal('not-now', 'no machine has been started');
    return this.emulator;
  }

  private async command(name: string, parameters: object = {}): Promise<object> {
    await this.asked(this.running().qmp.execute(name, parameters));
    return {};
  }

  /** QEMU's own refusals are for the operator. */
  private asked<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      throw refusal('qemu-failed', printable(error instanceof Error ? error.message : String(error)));
    });
  }

  private async changeMedium({ name, device }: { name: string; device: string | null }): Promise<object> {
    this.running();
    const drive = this.machine?.drives.find((known) => known.name === name && known.cdrom);
    if (!drive) throw refusal('no-device', `no CD drive ${name}`);
    const id = driveId(name);
    if (device === null) return this.command('eject', { id, force: true });
    await waitForDisk(this.ports, device, MEDIUM_WAIT_MS).catch((error: Error) => {
      throw refusal('no-device', error.message);
    });
    openDisk(this.ports.files, device);
    const medium = { filename: `/dev/${device}`, format: 'raw', 'read-only-mode': 'read-only' };
    return this.command('blockdev-change-medium', { id, force: true, ...medium });
  }

  private async takeShot(): Promise<object> {
    const { qmp } = this.running();
    if (this.machine?.choices.vga === 'none') throw refusal('no-device', 'the machine has no screen');
    if (this.shooting) throw refusal('not-now', 'another picture of the screen is being taken');
    this.shooting = true;
    try {
      this.shot = await this.asked(takeShot(this.ports, qmp));
      return { bytes: this.shot.length };
    } finally {
      this.shooting = false;
    }
  }

  private partOfShot(offset: number): object {
    this.running();
    return { data: bytesToText(this.shot.subarray(offset, offset + SHOT_PART_BYTES)) };
  }

  private openScreen(session: number): object {
    this.running();
    if (this.machine?.choices.vga === 'none') throw refusal('no-device', 'the machine has no screen');
    if (this.screens.has(session)) throw refusal('not-now', `session ${session} is open`);
    if (this.screens.size >= SCREEN_SESSIONS_MAX)
      throw refusal('sessions-full', `${SCREEN_SESSIONS_MAX} sessions look at the screen already`);
    const ended = (): void => {
      this.screens.delete(session);
      this.toolstack.notify('screen.closed', { session });
    };
    this.screens.set(session, this.relay('vnc', 'screen.data', { session }, ended));
    return {};
  }

  private closeScreen(session: number): void {
    this.screens.get(session)?.close();
    this.screens.delete(session);
  }

  private relay(socket: 'serial' | 'vnc', method: string, about: object, closed: () => void): Relay {
    const { toolstack } = this;
    return new Relay(this.connected(socket), {
      closed,
      deliver: (data) => {
        toolstack.notify(method, { ...about, data: bytesToText(data) });
        return toolstack.drained();
      },
    });
  }

  private connected(socket: 'serial' | 'vnc') {
    try {
      return this.running().connect(socket);
    } catch (error) {
      throw refusal('qemu-failed', `${socket}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private tell({ name }: QmpEvent): void {
    const what = TOLD.get(name);
    if (what) this.toolstack.notify('machine.event', { what });
  }
}
