/** For tests: the command with a Toolstack behind it that lives in the same process, on the in-memory Xen. */
import { Duplex } from 'node:stream';
import { serveConnection } from '../../services/toolstack/connection.ts';
import { SimulatedHost } from '../../services/toolstack/testing/simulated-host.ts';
import type { Toolstack } from '../../services/toolstack/toolstack.ts';
import { streamPair } from '../../xen/memory/byte-stream.ts';
import type { ByteStream } from '../../xen/ports.ts';
import { runCli } from '../cli.ts';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';

/** Small, so that messages are split and transfers must wait. */
const STREAM_BYTES = 8 * 1024;
const STEP_MS = 250;

export interface Result {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

export class SimulatedCli {
  readonly host = new SimulatedHost();
  toolstack!: Toolstack;
  private running = true;
  logPath = '/nonexistent/serial.log';
  /** What `run` has printed so far. */
  out = '';
  private readonly pump: ReturnType<typeof setInterval>;
  private keys: ((bytes: Uint8Array) => void) | null = null;
  private inputEnded: (() => void) | null = null;
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

  stop(): void {
    clearInterval(this.pump);
  }

  async run(...argv: string[]): Promise<Result> {
    this.out = '';
    let error = '';
    const environment: CliEnvironment = {
      openSession: () => this.openSession(),
      host: {
        start: () => Promise.reject(new CliError('host-failed', 'the virtual host did not boot')),
        stop: () => Promise.reject(new CliError('host-stopped', 'the virtual host is not running')),
        status: () => ({
          status: this.running ? 'running' : 'stopped',
          pid: this.running ? 1 : null,
          sshPort: null,
          startedAt: null,
          memoryMib: null,
        }),
        logPath: () => this.logPath,
      },
      terminal: {
        raw: () => {},
        onInput: (handler, ended) => {
          this.keys = handler;
          this.inputEnded = ended;
        },
        stop: () => {
          this.keys = null;
        },
      },
      errorIsTerminal: false,
      out: (text) => {
        this.out += typeof text === 'string' ? text : new TextDecoder().decode(text);
      },
      error: (text) => {
        error += text;
      },
    };
    const code = await runCli(argv, environment);
    return { code, out: this.out, error };
  }

  /** Waits until something is true that the command or the host brings about. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async type(text: string): Promise<void> {
    await this.until(() => this.keys !== null);
    this.keys?.(new TextEncoder().encode(text));
  }

  async endInput(): Promise<void> {
    await this.until(() => this.inputEnded !== null);
    this.inputEnded?.();
  }

  /** Every session ends, for both sides. */
  cutSessions(): void {
    for (const cut of this.cuts) cut();
  }

  private async openSession() {
    if (!this.running) throw new CliError('host-stopped', 'the virtual host is not running');
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
