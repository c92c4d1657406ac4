/** The probe guest's root file system as archive entries; README.md says what it is for. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CpioEntry } from '../../src/image/cpio.ts';

/** Statically linked: the guest needs no library. */
export const BUSYBOX = { package: 'busybox-static', path: '/bin/busybox' } as const;

const ROOT = join(import.meta.dirname, 'root');
const SCRIPTS = ['init', 'bin/disk-fill', 'bin/disk-hash', 'bin/fetch-hash'];
const FOLDERS = ['dev', 'proc', 'sys', 'tmp', 'run'];

/** `busybox`: the bytes of BUSYBOX.path, out of its package. */
export async function probeGuestEntries(busybox: Uint8Array): Promise<CpioEntry[]> {
  const scripts = SCRIPTS.map(async (path): Promise<CpioEntry> => {
    return { kind: 'file', path, mode: 0o755, bytes: await readFile(join(ROOT, path)) };
  });
  return [
    ...FOLDERS.map((path): CpioEntry => ({ kind: 'directory', path })),
    // The kernel opens it as init's standard streams, before anything is mounted.
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', mode: 0o755, bytes: busybox },
    { kind: 'link', path: 'bin/sh', target: 'busybox' },
    { kind: 'link', path: 'sbin', target: 'bin' },
    ...(await Promise.all(scripts)),
  ];
}
