/** Boots one virtual host of its own for all e2e files (vitest's globalSetup), takes it down afterwards, and judges how it was to the end. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostDirectoryAt } from '../../src/host/host-directory.ts';
import { writeCpio } from '../../src/image/cpio.ts';
import { BUSYBOX, probeGuestEntries } from '../guest/probe-guest.ts';
import { tryEnneadFor } from './ennead.ts';
import { complaintsAbout } from './host-verdict.ts';

/** The images may have to be built first; the command has limits of its own. */
const UNLIMITED_MS = 0;

/** The tests' own guest goes into Builder's list of known-good images, as an operator's would. */
async function addProbeGuest(folder: string): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'probe.cpio'), writeCpio(await probeGuestEntries(await readFile(BUSYBOX.path))));
}

export async function setup(): Promise<() => Promise<void>> {
  const path = await mkdtemp(join(tmpdir(), 'ennead-e2e-'));
  process.env.ENNEAD_HOST_DIR = path;
  await addProbeGuest(hostDirectoryAt(path).guestImages);
  const { status, stdout, stderr } = await tryEnneadFor(UNLIMITED_MS, 'host', 'start');
  if (status !== 0) {
    throw new Error(
      `the virtual host of the e2e tests did not start; its folder is kept: ${path}\n${stdout}\n${stderr}`,
    );
  }
  process.stdout.write(stdout);
  return () => failingTheRun(() => takeDown(path));
}

async function takeDown(path: string): Promise<void> {
  const stopped = await tryEnneadFor(UNLIMITED_MS, 'host', 'stop');
  process.stdout.write(stopped.stdout);
  const complaints = complaintsAbout(stopped, await readFile(hostDirectoryAt(path).serialLog, 'utf8'));
  if (complaints.length > 0) throw new Error(`${complaints.join('\n')}\nthe folder of the host is kept: ${path}`);
  await rm(path, { recursive: true });
}

/** vitest prints what a teardown throws, and ends with 0 all the same. */
async function failingTheRun(teardown: () => Promise<void>): Promise<void> {
  try {
    await teardown();
  } catch (error) {
    process.exitCode = 1;
    throw error;
  }
}
