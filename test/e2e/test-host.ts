/** A virtual host of the tests' own: made, booted, taken down and judged by how it was to the end. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostDirectoryAt } from '../../src/host/host-directory.ts';
import { writeCpio } from '../../src/image/cpio.ts';
import { BUSYBOX, probeGuestEntries } from '../guest/probe-guest.ts';
import { type Ran, tryEnneadFor } from './ennead.ts';
import { complaintsAbout } from './host-verdict.ts';

/** The images may have to be built first; the command has limits of its own. */
const UNLIMITED_MS = 0;

/** From now on every command of this process, and of those that it starts, means the new host. */
export async function newHostFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ennead-e2e-'));
  process.env.ENNEAD_HOST_DIR = path;
  return path;
}

/** `options`: of `ennead host start`. */
export async function bootTestHost(...options: string[]): Promise<string> {
  const path = await newHostFolder();
  await addProbeGuest(hostDirectoryAt(path).guestImages);
  const { status, stdout, stderr } = await tryEnneadFor(UNLIMITED_MS, 'host', 'start', ...options);
  if (status !== 0) {
    throw new Error(`a virtual host of the tests did not start; its folder is kept: ${path}\n${stdout}\n${stderr}`);
  }
  return path;
}

/** The tests' own guest goes into Builder's list of known-good images, as an operator's would. */
export async function addProbeGuest(folder: string): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'probe.cpio'), writeCpio(await probeGuestEntries(await readFile(BUSYBOX.path))));
}

export const stopByCommand = (): Promise<Ran> => tryEnneadFor(UNLIMITED_MS, 'host', 'stop');

export async function takeDown(path: string, stop: () => Promise<Ran> = stopByCommand): Promise<void> {
  const stopped = await stop();
  const complaints = complaintsAbout(stopped, await readFile(hostDirectoryAt(path).serialLog, 'utf8'));
  if (complaints.length > 0) throw new Error(`${complaints.join('\n')}\nthe folder of the host is kept: ${path}`);
  await rm(path, { recursive: true });
}
