/** Sessions over the system's ssh client, with this host's keys and nothing of the operator's own configuration. */
import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { type HostDirectory, hostDirectory } from '../host/host-directory.ts';
import { hostStatus } from '../host/host-state.ts';
import { hostStopped } from './failures.ts';
import type { OperatorSession } from './session.ts';

const CONNECT_TIMEOUT_SECONDS = 15;
const ALIVE_INTERVAL_SECONDS = 15;
const STDERR_CHARACTERS_MAX = 4096;

export function sshArguments(directory: HostDirectory, port: number): string[] {
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${directory.knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    `ConnectTimeout=${CONNECT_TIMEOUT_SECONDS}`,
    `ServerAliveInterval=${ALIVE_INTERVAL_SECONDS}`,
  ];
  return [
    ...['-F', 'none', '-T', '-i', directory.identity, '-p', String(port)],
    ...options.flatMap((option) => ['-o', option]),
    'toolstack@127.0.0.1',
  ];
}

export async function openSshSession(directory = hostDirectory()): Promise<OperatorSession> {
  const { status, sshPort } = hostStatus(directory);
  if (status !== 'running' || sshPort === null) throw hostStopped();
  const child = spawn('ssh', sshArguments(directory, sshPort), { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-STDERR_CHARACTERS_MAX);
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`ssh cannot be run: ${error.message}`));
    child.once('close', (status) => resolve(said.trim().split('\n').at(-1) || `ssh ended with status ${status}`));
  });
  // Writing to an ssh that has gone fails; `ended` says why it has.
  child.stdin.on('error', () => {});
  return {
    stream: Duplex.from({ readable: child.stdout, writable: child.stdin }),
    whyEnded: () => ended,
    close: () => child.kill(),
  };
}
