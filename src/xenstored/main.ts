/** `ennead-xenstored --socket PATH`: XenStore's two programs on an ordinary Linux host, and the socket before them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSteps } from '../image/images.ts';
import { runtime } from '../image/steps/runtime.ts';
import { xenstored } from '../image/steps/xenstored.ts';
import { makeFolder } from './folder.ts';
import { claimSocketPath } from './socket-path.ts';

const HELP = `usage: ennead-xenstored --socket PATH

Serves XenStore on a Unix socket, without Xen: XenStore-State and XenStore-Logic as they are in their VMs.
Whoever may open the socket is domain 0. The contents are gone when it ends (Ctrl+C, SIGTERM).

Example:
  ennead-xenstored --socket /tmp/xenstore &
  XENSTORED_PATH=/tmp/xenstore xenstore-ls
`;
const EXIT_USAGE = 2;
const EXIT_FAILED = 1;

class UsageError extends Error {}

function socketOf(args: readonly string[]): string | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { socket: { type: 'string' }, help: { type: 'boolean', default: false } },
    });
    if (values.help) return null;
    if (!values.socket) throw new UsageError('--socket is missing');
    return resolve(values.socket);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The programs restart what fails in them; one that gives up ends all. Resolves to the one that did, or to null after a signal. */
async function serve(socket: string): Promise<string | null> {
  const { made } = await buildSteps([runtime, xenstored], {});
  await claimSocketPath(socket);
  const folder = await makeFolder();
  const start = (name: string, supervised: boolean, ...args: string[]): ChildProcess =>
    spawn(
      made.get(runtime)!.path('ennead-rt'),
      [...(supervised ? ['--init'] : []), made.get(xenstored)!.path(`${name}.qbc`), folder.path, ...args],
      // In a process group of its own: the supervisor and what it has started end together.
      { stdio: ['pipe', 'inherit', 'inherit'], detached: true },
    );
  const programs = {
    state: start('state', true),
    logic: start('logic', true),
    sockets: start('sockets', false, socket),
  };
  try {
    return await firstToEnd(programs);
  } finally {
    await Promise.all(Object.values(programs).map(endGroup));
    await rm(socket, { force: true });
    await folder.remove();
  }
}

function firstToEnd(programs: Readonly<Record<string, ChildProcess>>): Promise<string | null> {
  return new Promise((resolveTo, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolveTo(null));
    for (const [name, child] of Object.entries(programs)) {
      child.once('error', reject);
      child.once('exit', () => resolveTo(name));
    }
  });
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  const ended = child.exitCode !== null || child.signalCode !== null || new Promise((done) => child.once('exit', done));
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
  await ended;
}

async function main(): Promise<void> {
  const socket = socketOf(process.argv.slice(2));
  if (socket === null) return void process.stdout.write(HELP);
  const ended = await serve(socket);
  if (ended === null) return;
  process.stderr.write(`ennead-xenstored: its program '${ended}' has ended; nothing is served any more\n`);
  process.exitCode = EXIT_FAILED;
}

main().catch((error: unknown) => {
  process.stderr.write(`ennead-xenstored: ${(error as Error).message}\n`);
  if (error instanceof UsageError) process.stderr.write('see: ennead-xenstored --help\n');
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
});
