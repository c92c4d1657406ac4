/** Debian's xenstored on a socket of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { buildSteps } from '../../../src/image/images.ts';
import { referenceXenstored } from './step.ts';

const PAGE_BYTES = 4096;
const LOOK_AGAIN_MS = 20;
const DEATH_MS = 500;

export class ReferenceServer {
  private constructor(
    private readonly folder: string,
    readonly socket: string,
    private readonly child: ChildProcess,
  ) {}

  /** Resolves when it has made its socket. */
  static async start(): Promise<ReferenceServer> {
    const { made } = await buildSteps([referenceXenstored], {});
    const { path } = made.get(referenceXenstored)!;
    const folder = await mkdtemp(join(tmpdir(), 'ennead-reference-'));
    const [socket, procXen] = [join(folder, 'socket'), join(folder, 'proc')];
    await mkdir(procXen);
    await writeFile(join(procXen, 'xsd_port'), '1');
    await writeFile(join(procXen, 'xsd_kva'), new Uint8Array(PAGE_BYTES));
    const env = {
      ...process.env,
      LD_PRELOAD: path('fake-hypervisor.so'),
      FAKE_PROC_XEN: procXen,
      XENSTORED_RUNDIR: folder,
      XENSTORED_ROOTDIR: folder,
      XENSTORED_PATH: socket,
    };
    const child = spawn(path('xenstored'), ['--no-fork', '--pid-file', join(folder, 'pid')], { env, stdio: 'inherit' });
    while (!(await stat(socket).catch(() => undefined))) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('the reference has ended');
      await pause(LOOK_AGAIN_MS);
    }
    return new ReferenceServer(folder, socket, child);
  }

  private get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Its sockets close a moment before it is known to have ended. */
  async hasDied(): Promise<boolean> {
    if (this.isAlive) await Promise.race([once(this.child, 'exit'), pause(DEATH_MS, undefined, { ref: false })]);
    return !this.isAlive;
  }

  async stop(): Promise<void> {
    if (this.isAlive) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await ended;
    }
    await rm(this.folder, { recursive: true });
  }
}
