/** The virtual host's life: set up, start, stop. One QEMU process; all that is known of it is in its folder. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { ImageSet } from '../image/build.ts';
import { type BootOptions, bootFinished } from './boot.ts';
import { type HostDirectory, hostDirectory } from './host-directory.ts';
import { HostError } from './host-error.ts';
import { forgetState, type HostState, hostStatus, saveState } from './host-state.ts';
import { monitorCommand } from './monitor.ts';
import { endsWithin } from './process-end.ts';
import { hardwareVirtualisation, type MachineImages, type MachineOptions, qemuArguments } from './qemu.ts';
import { setUpHost } from './set-up.ts';

export interface HostImages {
  readonly xen: string;
  readonly kernel: string;
  readonly bootstrapper: string;
  readonly policy: string;
  /** A new host gets a copy of it. */
  readonly disk: string;
}

type HostParts = Pick<ImageSet, 'xen' | 'kernels' | 'bootstrapperInitrd' | 'policy' | 'hostDisk'>;

/** What a host needs of all that the image builder makes. Its disk holds no volume. */
export const hostImages = (images: HostParts): HostImages => ({
  xen: images.xen,
  kernel: images.kernels.pci,
  bootstrapper: images.bootstrapperInitrd,
  policy: images.policy,
  disk: images.hostDisk,
});

export interface StartOptions extends BootOptions {
  readonly images: HostImages;
  readonly memoryMib?: number;
  readonly cpus?: number;
  readonly iommu?: boolean;
  readonly directory?: HostDirectory;
  readonly xenArguments?: readonly string[];
}

const DEFAULT_MEMORY_MIB = 2048;
const DEFAULT_CPUS = 2;
/** With two, a VM was once seen to stand still for half a minute; why is not known. See docs/virtual-host.md. */
const DEFAULT_EMULATED_CPUS = 1;
const KILL_TIMEOUT_MS = 10_000;

/** Boots the host and resolves when Toolstack answers. A host that does not come up, or whose start is aborted, is ended again. */
export async function startHost(options: StartOptions): Promise<HostState> {
  const directory = options.directory ?? hostDirectory();
  if (hostStatus(directory).status === 'running') {
    throw new HostError('already-running', 'the virtual host is running already');
  }
  const sshPort = await freeLoopbackPort();
  await setUpHost(directory, options.images, sshPort);
  options.signal?.throwIfAborted();
  const machine: MachineOptions = {
    memoryMib: options.memoryMib ?? DEFAULT_MEMORY_MIB,
    cpus: options.cpus ?? (hardwareVirtualisation() ? DEFAULT_CPUS : DEFAULT_EMULATED_CPUS),
    iommu: options.iommu ?? true,
    sshPort,
    xenArguments: options.xenArguments ?? [],
  };
  const pid = await spawnQemu(directory, { ...options.images, initrd: directory.bootstrapperInitrd }, machine);
  const startedAt = new Date().toISOString();
  const state: HostState = { status: 'running', pid, sshPort, startedAt, memoryMib: machine.memoryMib };
  try {
    await saveState(directory, state);
    await bootFinished(directory, pid, options);
  } catch (error) {
    await killQemu(directory, pid);
    throw error;
  }
  return state;
}

/** Starts QEMU in the background, in its own session, so that it outlives the command. Used as it is by benchmarks with other images. */
export async function spawnQemu(
  directory: HostDirectory,
  images: MachineImages,
  machine: MachineOptions,
): Promise<number> {
  await rm(directory.serialLog, { force: true });
  await rm(directory.monitor, { force: true });
  await writeFile(directory.serialLog, '');
  const output = openSync(directory.qemuLog, 'w');
  const child = spawn('qemu-system-x86_64', qemuArguments(directory, images, machine), {
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  child.unref();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(child.pid!));
  });
}

export interface StopTimeouts {
  /** For the whole way down, once Toolstack has agreed. */
  readonly agreedMs: number;
  /** The answer travels over a network that goes down with the host: none may have been a yes. */
  readonly unansweredMs: number;
}

const STOP_TIMEOUTS: StopTimeouts = { agreedMs: 120_000, unansweredMs: 10_000 };

/**
 * Waits for QEMU's own end after Toolstack was asked to stop the host (`requestStop`).
 * @throws HostError `stop-forced` when that took too long and QEMU was ended by force
 */
export async function stopHost(
  requestStop: () => Promise<void>,
  directory = hostDirectory(),
  { agreedMs, unansweredMs } = STOP_TIMEOUTS,
): Promise<void> {
  const { pid } = hostStatus(directory);
  if (pid === null) throw new HostError('not-running', 'the virtual host is not running');
  const refusal = await requestStop().then(
    () => null,
    (error: Error) => error.message,
  );
  if (await endsWithin(pid, refusal === null ? agreedMs : unansweredMs)) return forgetState(directory);
  await killQemu(directory, pid);
  const why = refusal ?? `it was still up after ${agreedMs / 1000} s`;
  throw new HostError(
    'stop-forced',
    `the virtual host was switched off by force: ${why}. Its serial log: ${directory.serialLog}`,
  );
}

/** Pulls the plug, if the host runs. */
export async function killHost(directory = hostDirectory()): Promise<void> {
  const { pid } = hostStatus(directory);
  if (pid !== null) await killQemu(directory, pid);
}

/** Ends it, gently first. */
export async function killQemu(directory: HostDirectory, pid: number): Promise<void> {
  await monitorCommand(directory.monitor, 'quit').catch(() => signalIfThere(pid, 'SIGTERM'));
  if (!(await endsWithin(pid, KILL_TIMEOUT_MS))) signalIfThere(pid, 'SIGKILL');
  await forgetState(directory);
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export function freeLoopbackPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
