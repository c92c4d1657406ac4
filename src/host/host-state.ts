/** What is known of a host's QEMU: one file in its folder, believed only while that process runs. */
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { atomically } from './draft.ts';
import { type HostDirectory, hostDirectory } from './host-directory.ts';

export interface HostState {
  readonly status: 'stopped' | 'running';
  readonly pid: number | null;
  readonly sshPort: number | null;
  readonly startedAt: string | null;
  readonly memoryMib: number | null;
}

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

export const saveState = (directory: HostDirectory, state: HostState): Promise<void> =>
  atomically(directory.state, (draft) => writeFile(draft, `${JSON.stringify(state)}\n`));

export const forgetState = (directory: HostDirectory): Promise<void> => rm(directory.state, { force: true });
