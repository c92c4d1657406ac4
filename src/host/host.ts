/** The virtual host's life: set up, start, watch it boot, stop. One QEMU process; all that is known of it is in its folder. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { ImageSet } from '../image/build.ts';
import { type HostDirectory, hostDirectory } from './host-directory.ts';
import { monitorCommand } from './monitor.ts';
import { hardwareVirtualisation, type MachineImages, type MachineOptions, qemuArguments } from './qemu.ts';
import { followLines } from './serial-log.ts';
import { setUpHost, writeKnownHosts } from './set-up.ts';

export interface HostState {
  readonly status: 'stopped' | 'running';
  readonly pid: number | null;
  readonly sshPort: number | null;
  readonly startedAt: string | null;
  readonly memoryMib: number | null;
}

export interface HostImages {
  readonly xen: string;
  readonly kernel: string;
  readonly bootstrapper: string;
  readonly policy: string;
  readonly disk: string;
}

/** What a host needs of all that the image builder makes. */
export const hostImages = (images: ImageSet): HostImages => ({
  xen: images.xen,
  kernel: images.kernels.pci,
  bootstrapper: images.bootstrapperInitrd,
  policy: images.policy,
  disk: images.hostDisk,
});

export interface StartOptions {
  readonly images: HostImages;
  readonly memoryMib?: number;
  readonly cpus?: number;
  readonly iommu?: boolean;
  readonly directory?: HostDirectory;
  readonly xenArguments?: readonly string[];
  /** Told every line that a service logs while the host boots. */
  readonly onServiceLine?: (line: string) => void;
}

/** A host that did not start or stop as asked; `log` is the file to look into. */
export class HostError extends Error {
  constructor(
    readonly code: 'already-running' | 'boot-failed' | 'not-running' | 'stop-failed',
    message: string,
    readonly log: string,
  ) {
    super(message);
    this.name = 'HostError';
  }
}

const DEFAULT_MEMORY_MIB = 2048;
const DEFAULT_CPUS = 2;
/** QEMU's emulation loses interrupts between processors, and XenStore then waits for seconds: see docs/virtual-host.md. */
const DEFAULT_EMULATED_CPUS = 1;
const BOOT_TIMEOUT_MS = 240_000;
const STOP_TIMEOUT_MS = 120_000;
const KILL_TIMEOUT_MS = 10_000;

const STOPPED: HostState = { status: 'stopped', pid: null, sshPort: null, startedAt: null, memoryMib: null };

export function hostStatus(directory = hostDirectory()): HostState {
  if (!existsSync(directory.state)) return STOPPED;
  const state = JSON.parse(readFileSync(directory.state, 'utf8')) as HostState;
  return state.pid !== null && isOurQemu(state.pid, directory) ? state : STOPPED;
}

/** A pid can be another program's by now: QEMU's command line names this host's monitor socket. */
function isOurQemu(pid: number, directory: HostDirectory): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory.monitor);
  } catch {
    return false;
  }
}

/** Boots the host and resolves when Toolstack answers. A host that does not come up is ended again. */
export async function startHost(options: StartOptions): Promise<HostState> {
  const directory = options.directory ?? hostDirectory();
  if (hostStatus(directory).status === 'running') {
    throw new HostError('already-running', 'the virtual host is running already', directory.serialLog);
  }
  await setUpHost(directory, options.images);
  const sshPort = await freeLoopbackPort();
  await writeKnownHosts(directory, sshPort);
  const machine: MachineOptions = {
    memoryMib: options.memoryMib ?? DEFAULT_MEMORY_MIB,
    cpus: options.cpus ?? (hardwareVirtualisation() ? DEFAULT_CPUS : DEFAULT_EMULATED_CPUS),
    iommu: options.iommu ?? true,
    sshPort,
    xenArguments: options.xenArguments ?? [],
  };
  const pid = await spawnQemu(directory, { ...options.images, initrd: directory.bootstrapperInitrd }, machine);
  const state: HostState = {
    status: 'running',
    pid,
    sshPort,
    startedAt: new Date().toISOString(),
    memoryMib: machine.memoryMib,
  };
  await writeFile(directory.state, `${JSON.stringify(state)}\n`);
  try {
    await bootFinished(directory, pid, options.onServiceLine ?? (() => {}));
  } catch (error) {
    await killHost(directory);
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

const READY = /ennead\[toolstack\]: ready/;
const FAILED = /ennead\[\w[\w-]*\]: failed: |\(XEN\) (Panic on CPU|.*Hardware Dom\d+ (crashed|shutdown))/;
const SERVICE_LINE = /ennead\[[\w-]+\]: /;

async function bootFinished(
  directory: HostDirectory,
  pid: number,
  onServiceLine: (line: string) => void,
): Promise<void> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort('timeout'), BOOT_TIMEOUT_MS);
  const ended = watchProcess(pid, abort.signal).then(() => abort.abort('ended'));
  try {
    for await (const line of followLines(directory.serialLog, abort.signal)) {
      if (SERVICE_LINE.test(line)) onServiceLine(line);
      if (READY.test(line)) return;
      if (FAILED.test(line)) throw bootFailed(directory, line.trim());
    }
    const qemuSays =
      abort.signal.reason === 'ended'
        ? `QEMU ended: ${await lastLine(directory.qemuLog)}`
        : `no answer in ${BOOT_TIMEOUT_MS / 1000} s`;
    throw bootFailed(directory, qemuSays);
  } finally {
    clearTimeout(timer);
    abort.abort();
    await ended;
  }
}

function bootFailed(directory: HostDirectory, why: string): HostError {
  return new HostError(
    'boot-failed',
    `the virtual host did not boot: ${why}. Its serial log: ${directory.serialLog}`,
    directory.serialLog,
  );
}

async function lastLine(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim().split('\n').at(-1) || 'it said nothing';
}

const PROCESS_LOOK_MS = 250;

/** Resolves when a process that is not our child has ended, or at the abort. Linux tells only parents, so it is looked at. */
async function watchProcess(pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && existsSync(`/proc/${pid}`)) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, PROCESS_LOOK_MS);
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }
}

/** Waits for QEMU's own end after Toolstack was asked to stop the host (`requestStop`); ends it by force when that takes too long. */
export async function stopHost(
  requestStop: () => Promise<void>,
  directory = hostDirectory(),
): Promise<'clean' | 'forced'> {
  const { pid } = hostStatus(directory);
  if (pid === null) throw new HostError('not-running', 'the virtual host is not running', directory.serialLog);
  const asked = await requestStop().then(
    () => true,
    () => false,
  );
  if (asked && (await endsWithin(pid, STOP_TIMEOUT_MS))) {
    await rm(directory.state, { force: true });
    return 'clean';
  }
  await killHost(directory);
  return 'forced';
}

/** Pulls the plug. */
export async function killHost(directory = hostDirectory()): Promise<void> {
  const { pid } = hostStatus(directory);
  if (pid !== null) {
    await monitorCommand(directory.monitor, 'quit').catch(() => process.kill(pid, 'SIGTERM'));
    if (!(await endsWithin(pid, KILL_TIMEOUT_MS))) process.kill(pid, 'SIGKILL');
  }
  await rm(directory.state, { force: true });
}

async function endsWithin(pid: number, timeoutMs: number): Promise<boolean> {
  await watchProcess(pid, AbortSignal.timeout(timeoutMs));
  return !existsSync(`/proc/${pid}`);
}

function freeLoopbackPort(): Promise<number> {
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

export const hostLogPath = (directory = hostDirectory()): string => directory.serialLog;
