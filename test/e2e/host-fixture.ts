/** Boots one virtual host of its own for all e2e files (vitest's globalSetup) and takes it down afterwards. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeCpio } from '../../src/image/cpio.ts';
import { BUSYBOX, probeGuestEntries } from '../guest/probe-guest.ts';

const run = promisify(execFile);
const ENNEAD = join(import.meta.dirname, '..', '..', 'bin', 'ennead.mjs');

/** The tests' own guest goes into Builder's list of known-good images, as an operator's would. */
async function addProbeGuest(directory: string): Promise<void> {
  const folder = join(directory, 'guest-images');
  await mkdir(folder);
  await writeFile(join(folder, 'probe.cpio'), writeCpio(await probeGuestEntries(await readFile(BUSYBOX.path))));
}

export async function setup(): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'ennead-e2e-'));
  process.env.ENNEAD_HOST_DIR = directory;
  await addProbeGuest(directory);
  const ennead = (...args: string[]) => run(process.execPath, [ENNEAD, ...args], { maxBuffer: 16 * 1024 * 1024 });
  const { stdout } = await ennead('host', 'start').catch((error) => {
    throw new Error(
      `the virtual host of the e2e tests did not start; its folder is kept: ${directory}\n${error.stdout}\n${error.stderr}`,
    );
  });
  process.stdout.write(stdout);
  return async () => {
    const stopped = await ennead('host', 'stop');
    process.stdout.write(stopped.stdout);
    if (/forced/.test(stopped.stdout)) throw new Error(`the virtual host did not stop cleanly: ${directory}`);
    await rm(directory, { recursive: true });
  };
}
