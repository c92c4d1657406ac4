/** For tests: the command with a Toolstack behind it that lives in the same process, on the in-memory Xen. */
import { Duplex } from 'node:stream';
import type { HostState } from '../../host/host-state.ts';
import { serveConnection } from '../../services/toolstack/connection.ts';
import { SimulatedHost } from '../../services/toolstack/testing/simulated-host.ts';
import type { Toolstack } from '../../services/toolstack/toolstack.ts';
import { streamPair } from '../../xen/memory/byte-stream.ts';
import type { ByteStream } from '../../xen/ports.ts';
import { runCli } from '../cli.ts';
import type { BuiltImages, CliEnvironment, HostActions } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
import { hostStopped } from '../failures.ts';

/** Small, so that messages are split and transfers must wait. */
const STREAM_BYTES = 8 * 1024;
const STEP_MS = 250;

export interface Result {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Paths that nobody opens, unless a test puts a real one in. */
const IMAGES: BuiltImages = {
  xen: '/images/xen.elf',
  kernels: { core: '/images/core.elf', pci: '/images/pci.elf', driver: '/images/driver.elf' },
  bootstrapperInitrd: '/images/bootstrapper.cpio',
  policy: '/images/xenpolicy.bin',
  hostDisk: '/images/host-disk.raw',
  exampleDisk: '/images/example-disk.raw',
  guestDisk: '/images/guest.raw',
};

export class SimulatedCli {
  readonly host = new SimulatedHost();
  toolstack!: Toolstack;
  images = IMAGES;
  /** What the host does when it is switched on. */
  boot: HostActions['start'] = () => Promise.reject(new CliError('host-failed', 'the virtual host did not boot'));
  logPath = '/nonexistent/serial.log';
  /** What was printed since the last `run`. */
  out = '';
  error = '';
  private running = true;
  private hangs = false;
  private readonly pump: ReturnType<typeof setInterval>;
  private keys: ((bytes: Uint8Array) => void) | null = null;
  private readonly cuts: (() => void)[] = [];

  private constructor() {
    this.pump = setInterval(() => void this.host.xen.clock.advance(STEP_MS), 1);
  }

  static async start(): Promise<SimulatedCli> {
    const cli = new SimulatedCli();
    cli.toolstack = await cli.host.toolstack();
    return cli;
  }

  /** The host, not the test. */
  stopHost(): void {
    this.running = false;
  }

  startHost(): void {
    this.running = true;
  }

  /** It will not go when it is asked to. */
  hangHost(): void {
    this.hangs = true;
  }

  stop(): void {
    clearInterval(this.pump);
  }

  readonly environment: CliEnvironment = {
    openSession: () => this.openSession(),
    host: {
      build: async () => this.images,
      start: (...order) => this.boot(...order),
      stop: () => this.shutDown(),
      status: () => this.status(),
      logPath: () => this.logPath,
    },
    terminal: {
      raw: () => {},
      onInput: (handler) => {
        this.keys = handler;
      },
      stop: () => {
        this.keys = null;
      },
    },
    errorIsTerminal: false,
    nowMs: () => performance.now(),
    out: (text) => {
      this.out += typeof text === 'string' ? text : new TextDecoder().decode(text);
    },
    error: (text) => {
      this.error += text;
    },
  };

  async run(...argv: string[]): Promise<Result> {
    this.out = '';
    this.error = '';
    const code = await runCli(argv, this.environment);
    return { code, out: this.out, error: this.error };
  }

  status(): HostState {
    const status = this.running ? 'running' : 'stopped';
    return { status, pid: this.running ? 1 : null, sshPort: null, startedAt: null, memoryMib: null };
  }

  /** Waits until something is true that the command or the host brings about. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async type(text: string): Promise<void> {
    await this.until(() => this.keys !== null);
    this.keys?.(new TextEncoder().encode(text));
  }

  /** Every session ends, for both sides. */
  cutSessions(): void {
    for (const cut of this.cuts) cut();
  }

  private async shutDown(): Promise<void> {
    if (!this.running) throw hostStopped();
    this.stopHost();
    if (this.hangs) throw new CliError('host-forced', 'the virtual host was switched off by force');
  }

  private async openSession() {
    if (!this.running) throw hostStopped();
    const [client, server] = streamPair({ capacityBytes: STREAM_BYTES });
    const stream = duplexOf(client);
    this.cuts.push(() => {
      client.close();
      stream.destroy();
    });
    void serveConnection(this.toolstack, server);
    return {
      stream,
      whyEnded: async () => 'the session ended',
      close: () => client.close(),
    };
  }
}

/** Node's stream on the port's. */
function duplexOf(stream: ByteStream): Duplex {
  const duplex = new Duplex({
    allowHalfOpen: false,
    read() {
      stream.onReadable(() => {
        const bytes = stream.read(STREAM_BYTES);
        if (bytes === null) return;
        stream.onReadable(null);
        duplex.push(bytes.length === 0 ? null : bytes);
      });
    },
    write(chunk: Uint8Array, _encoding, done) {
      let rest = chunk;
      stream.onWritable(() => {
        rest = rest.subarray(stream.write(rest));
        if (rest.length > 0) return;
        stream.onWritable(null);
        done();
      });
    },
  });
  return duplex;
}
