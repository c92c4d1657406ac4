/** One run of QEMU: started for one machine, spoken to through its sockets, and the end of this VM when it ends. */
import type { Machine } from '../../contracts/device-model.ts';
import type { ByteStream, Clock, Files, Log, Network, Processes, Streams, Uevents } from '../../xen/ports.ts';
import { connectCard } from './cards.ts';
import { qemuArguments } from './command-line.ts';
import { LastLines } from './last-lines.ts';
import { printable, Qmp, type QmpEvent } from './qmp.ts';
import { closeDevices, insideRoot, openDevices, openDisk, outside, QEMU_ROOT, QEMU_UID, waitForDisk } from './root.ts';

export interface EmulatorPorts {
  readonly files: Files;
  readonly streams: Streams;
  readonly processes: Processes;
  readonly network: Network;
  readonly uevents: Uevents;
  readonly clock: Clock;
  readonly log: Log;
}

/** Toolstack waits for the back ends before it asks; Linux then takes milliseconds. */
const DEVICE_WAIT_MS = 30_000;
/** QEMU takes 1.2 s under emulation where nothing else runs. */
const START_MS = 60_000;
const SOCKET_LOOK_MS = 20;
const END_MS = 1_000;

export interface RunningEmulator {
  readonly qmp: Qmp;
  connect(socket: 'serial' | 'vnc'): ByteStream;
  /** Why, in a line. */
  readonly ended: Promise<string>;
}

export async function waitForDevices(ports: EmulatorPorts, { drives, cards }: Machine): Promise<void> {
  for (const { device } of drives) {
    if (device === null) continue;
    await waitForDisk(ports, device, DEVICE_WAIT_MS);
    openDisk(ports.files, device);
  }
  for (const card of cards) await connectCard(ports, card, DEVICE_WAIT_MS);
}

/** Resolves when QEMU is ready to serve the guest, restricted to it. @throws Error with QEMU's last words, when it ends before that */
export async function startEmulator(
  ports: EmulatorPorts,
  machine: Machine,
  onEvent: (event: QmpEvent) => void,
): Promise<RunningEmulator> {
  const { files, streams, clock } = ports;
  openDevices(files);
  const ended = run(ports, qemuArguments(machine));
  const failed = ended.then((why) => Promise.reject(new Error(why)));
  // Nobody may be waiting for it by then.
  failed.catch(() => undefined);
  const stream = await Promise.race([failed, monitor(ports)]);
  const qmp = new Qmp(stream, clock, onEvent);
  await Promise.race([failed, qmp.ready(START_MS).catch((error: unknown) => lastWord(error, failed, clock))]);
  closeDevices(files);
  return { qmp, ended, connect: (socket) => streams.connect(outside(insideRoot[socket])) };
}

/** A monitor that closes is the sign of an end whose reason comes a moment later. */
async function lastWord(error: unknown, failed: Promise<never>, clock: Clock): Promise<never> {
  await Promise.race([failed, new Promise<void>((resolve) => clock.after(END_MS, resolve))]);
  throw error;
}

/** Resolves with QEMU's last words when it has ended. */
async function run({ processes, log }: EmulatorPorts, argv: readonly string[]): Promise<string> {
  log(`starting ${argv.map(printable).join(' ')}`);
  const words = new LastLines();
  const process = processes.start(argv, {
    root: QEMU_ROOT,
    uid: QEMU_UID,
    gid: QEMU_UID,
    confined: true,
    env: {},
    output: (bytes) => words.add(bytes),
  });
  const { status, signal } = await process.ended;
  for (const line of words.lines()) log(`QEMU: ${line}`);
  const how = signal === null ? `with status ${status}` : `by signal ${signal}`;
  return `QEMU ended ${how}: ${words.lines().at(-1) ?? 'without a word'}`;
}

/** QEMU makes its sockets as it starts, which Linux announces to nobody. */
async function monitor({ files, streams, clock }: EmulatorPorts): Promise<ByteStream> {
  const path = outside(insideRoot.qmp);
  for (let waitedMs = 0; waitedMs < START_MS; waitedMs += SOCKET_LOOK_MS) {
    if (files.stat(path)) {
      try {
        return streams.connect(path);
      } catch {
        // Made, but not yet listened to.
      }
    }
    await new Promise<void>((resolve) => clock.after(SOCKET_LOOK_MS, resolve));
  }
  throw new Error(`QEMU has made no monitor in ${START_MS} ms`);
}
