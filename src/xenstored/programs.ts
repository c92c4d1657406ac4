/** The three programs of ennead-xenstored: started and ended together. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { makeFolder } from './folder.ts';
import { claimSocketPath } from './socket-path.ts';

export type ProgramName = 'state' | 'logic' | 'sockets';

/** Paths. */
export interface Executables {
  readonly runtime: string;
  program(name: ProgramName): string;
}

/** `limits`: see limits.ts. The programs restart what fails in them; one that gives up ends all. Resolves to the one that did, or to null after a signal. */
export async function serve(
  socket: string,
  executables: Executables,
  limits: readonly string[] = [],
): Promise<string | null> {
  await claimSocketPath(socket);
  const folder = await makeFolder();
  const start = (name: ProgramName, supervised: boolean, ...args: string[]): ChildProcess =>
    spawn(
      executables.runtime,
      [...(supervised ? ['--init'] : []), executables.program(name), folder.path, ...args],
      // In a process group of its own: the supervisor and what it has started end together.
      { stdio: ['pipe', 'inherit', 'inherit'], detached: true },
    );
  const programs = {
    state: start('state', true, ...limits),
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
