/** The operator's command, run as a person would run it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { DomainRow } from '../../src/contracts/toolstack.ts';

export const ENNEAD = join(import.meta.dirname, '..', '..', 'bin', 'ennead.mjs');
const COMMAND_TIMEOUT_MS = 240_000;

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Never rejects: a test says itself which status it expects. `timeoutMs`: 0 for none. */
export function tryEnneadFor(timeoutMs: number, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { maxBuffer: 64 * 1024 * 1024, timeout: timeoutMs };
    execFile(process.execPath, [ENNEAD, ...args], options, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ status, stdout, stderr });
    });
  });
}

export const tryEnnead = (...args: string[]): Promise<Ran> => tryEnneadFor(COMMAND_TIMEOUT_MS, ...args);

/** For commands that must succeed. */
export async function ennead(...args: string[]): Promise<string> {
  const ran = await tryEnnead(...args);
  if (ran.status !== 0)
    throw new Error(`ennead ${args.join(' ')} ended with ${ran.status}: ${ran.stderr}${ran.stdout}`);
  return ran.stdout;
}

export const enneadJson = async (...args: string[]): Promise<unknown> => JSON.parse(await ennead(...args, '--json'));

/** What `ennead list` shows. */
export const domains = async (): Promise<DomainRow[]> => (await enneadJson('list')) as DomainRow[];

export const rowOf = async (name: string): Promise<DomainRow | undefined> =>
  (await domains()).find((row) => row.name === name);
