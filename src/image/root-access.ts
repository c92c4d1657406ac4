/** How commands that only root may run are run here, and what to say where they cannot be. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';

/** What sudo does when it must not ask: `agrees`, or `asks` for a password; it may be absent. */
export type Sudo = 'agrees' | 'asks' | 'absent';

export interface Privileges {
  readonly isRoot: boolean;
  readonly sudo: Sudo;
  /** Somebody is there to type a password. */
  readonly hasTerminal: boolean;
}

export interface RootAccess {
  /** Goes before the command. */
  readonly prefix: readonly string[];
  /** sudo asks once for a password, and knows whom it has asked by the terminal: the command must keep it. */
  readonly asks: boolean;
}

/** The access, or why there is none. */
export function chooseAccess({ isRoot, sudo, hasTerminal }: Privileges): RootAccess | string {
  if (isRoot) return { prefix: [], asks: false };
  if (sudo === 'agrees') return { prefix: ['sudo', '-n'], asks: false };
  if (sudo === 'absent') return 'this is not root, and there is no sudo';
  if (!hasTerminal) return 'sudo wants a password, and there is no terminal to ask for it';
  return { prefix: ['sudo'], asks: true };
}

/** Lets sudo ask where it must. Returns the access, or why there is none. */
export async function rootAccess(): Promise<RootAccess | string> {
  const isRoot = process.getuid?.() === 0;
  const hasTerminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
  const access = chooseAccess({ isRoot, sudo: isRoot ? 'absent' : await sudoHere(), hasTerminal });
  if (typeof access === 'string' || !access.asks) return access;
  return (await validated()) ? access : 'sudo refused';
}

function sudoHere(): Promise<Sudo> {
  return new Promise((resolve) => {
    execFile('sudo', ['-n', 'true'], (error) => {
      if (error === null) resolve('agrees');
      else resolve(error.code === 'ENOENT' ? 'absent' : 'asks');
    });
  });
}

/** sudo's own question and answer, on the terminal; nothing may be drawn meanwhile. */
async function validated(): Promise<boolean> {
  const sudo = spawn('sudo', ['-v'], { stdio: 'inherit' });
  const [status] = (await once(sudo, 'close')) as [number | null];
  return status === 0;
}
