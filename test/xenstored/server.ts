/** An `ennead-xenstored` of its own for a test file, in a folder of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const COMMAND = join(import.meta.dirname, '..', '..', 'bin', 'ennead-xenstored.mjs');

export class Server {
  private constructor(
    readonly folder: string,
    readonly socket: string,
    private readonly child: ChildProcess,
    readonly log: string[],
  ) {}

  /** Resolves when it listens. `command`: what Node runs in place of ennead-xenstored. */
  static async start(command: readonly string[] = [COMMAND], options: readonly string[] = []): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'ennead-xs-'));
    const socket = join(folder, 'socket');
    // What it leaves behind in its temporary folder is seen in ours.
    const env = { ...process.env, TMPDIR: folder };
    const args = [...command, '--socket', socket, ...options];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const log: string[] = [];
    await new Promise<void>((listening, failed) => {
      child.once('exit', () => failed(new Error(`ennead-xenstored has ended:\n${log.join('\n')}`)));
      createInterface({ input: child.stderr! }).on('line', (line) => {
        log.push(line);
        if (line.includes('listening on')) listening();
      });
    });
    return new Server(folder, socket, child, log);
  }

  /** One of Debian's xenstore-* tools; what it prints. */
  async tool(name: string, ...args: readonly string[]): Promise<string> {
    const env = { ...process.env, XENSTORED_PATH: this.socket };
    const { stdout } = await promisify(execFile)(`xenstore-${name}`, args, { env, timeout: 20_000 });
    return stdout;
  }

  spawnTool(name: string, ...args: readonly string[]): ChildProcess {
    const env = { ...process.env, XENSTORED_PATH: this.socket };
    return spawn(`xenstore-${name}`, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** SIGKILL: it can clean nothing up. */
  async kill(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
    await rm(this.folder, { recursive: true });
  }

  /** SIGTERM; what is left in its folder, which is removed then. tsx's cache is the test's own. */
  async stop(): Promise<string[]> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
    const left = (await readdir(this.folder)).filter((name) => !name.startsWith('tsx-'));
    await rm(this.folder, { recursive: true });
    return left;
  }

  /** Of the process that does a program's work, below its supervisor. */
  async pidOf(program: 'state' | 'logic'): Promise<number> {
    const supervisors = await childrenOf(this.child.pid!);
    for (const pid of supervisors) {
      if (!(await commandLine(pid)).includes(`${program}.qbc`)) continue;
      const [worker] = await childrenOf(pid);
      if (worker !== undefined) return worker;
    }
    throw new Error(`no process of ${program}`);
  }
}

const commandLine = (pid: number): Promise<string> => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
