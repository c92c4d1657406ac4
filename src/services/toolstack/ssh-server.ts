/**
 * The operators' way in: dropbear, for one account whose shell is the session program. Whatever an operator's client asks for, the
 * account's key leads to that program and no further: no shell, no terminal, no forwarding.
 */
import type { Clock, Files, Log, Processes } from '../../xen/ports.ts';

export const TOOLSTACK_SOCKET = '/run/toolstack.sock';
const HOST_CONFIG = '/etc/ennead';
const SESSION_SHELL = '/bin/ennead-session';
const RUNTIME_NAME = '/bin/ennead-rt';
const KEYS_BYTES_MAX = 64 * 1024;
const RESTART_DELAY_MS = 1_000;
const PID_FILE = '/run/dropbear.pid';
const LOOK_AGAIN_MS = 20;
/** Larger than dropbear's default: volumes are imported through it. */
const RECEIVE_WINDOW_BYTES = 1024 * 1024;
const KEEPALIVE_SECONDS = 30;

const ACCOUNT = { name: 'toolstack', id: 1000, home: '/home/toolstack' };

/** dropbear runs `<shell> -c <command>`; the session program ignores both words. */
const shellScript = `#!${RUNTIME_NAME} /session.qbc\n`;
const passwd = `root:x:0:0::/:/nonexistent\n${ACCOUNT.name}:x:${ACCOUNT.id}:${ACCOUNT.id}::${ACCOUNT.home}:${SESSION_SHELL}\n`;
const group = `root:x:0:\n${ACCOUNT.name}:x:${ACCOUNT.id}:\n`;

export const DROPBEAR = [
  '/usr/sbin/dropbear',
  // In the foreground, log to standard error, no message of the day.
  ...['-F', '-E', '-m'],
  // No root, no passwords, no forwarding either way.
  ...['-w', '-s', '-j', '-k'],
  ...['-r', `${HOST_CONFIG}/ssh_host_key`, '-P', PID_FILE, '-p', '22'],
  ...['-W', String(RECEIVE_WINDOW_BYTES), '-K', String(KEEPALIVE_SECONDS), '-c', 'session'],
];

export interface SshPorts {
  readonly files: Files & { link(target: string, path: string): void };
  readonly processes: Pick<Processes, 'run'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Everything that dropbear looks at before it lets somebody in. */
export function prepareAccount({ files }: SshPorts): void {
  const write = (path: string, text: string, mode: number) => files.write(path, new TextEncoder().encode(text), mode);
  for (const directory of ['/bin', '/home', ACCOUNT.home, `${ACCOUNT.home}/.ssh`])
    if (files.stat(directory) === null) files.makeDirectory(directory, 0o755);
  if (files.stat(RUNTIME_NAME) === null) files.link('/init', RUNTIME_NAME);
  write(SESSION_SHELL, shellScript, 0o755);
  write('/etc/passwd', passwd, 0o644);
  write('/etc/group', group, 0o644);
  write('/etc/shells', `${SESSION_SHELL}\n`, 0o644);
  const keys = files.read(`${HOST_CONFIG}/authorized_keys`, KEYS_BYTES_MAX);
  // Owned by root and readable: dropbear reads it as the account.
  files.write(`${ACCOUNT.home}/.ssh/authorized_keys`, keys, 0o644);
}

/** Keeps dropbear running. */
export function runSshServer(ports: SshPorts): void {
  const again = (why: string) => {
    ports.log(`dropbear has ended (${why}) and is started again`);
    ports.clock.after(RESTART_DELAY_MS, () => runSshServer(ports));
  };
  ports.processes.run(DROPBEAR, { PATH: '/bin' }).then(
    ({ status, signal }) => again(signal === null ? `status ${status}` : `signal ${signal}`),
    (error: unknown) => again(String(error)),
  );
}

/** Resolves when dropbear takes connections: it writes its pid after it has begun to listen, and tells nobody else. */
export async function sshServerListens({ files, clock }: Pick<SshPorts, 'files' | 'clock'>): Promise<void> {
  while (files.stat(PID_FILE) === null) await new Promise<void>((resolve) => clock.after(LOOK_AGAIN_MS, resolve));
}

/** So that an earlier process's pid is not taken for a new one's. */
export function forgetSshServer({ files }: Pick<SshPorts, 'files'>): void {
  if (files.stat(PID_FILE) !== null) files.remove(PID_FILE);
}
