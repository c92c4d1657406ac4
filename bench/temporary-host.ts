/** What every benchmark that boots virtual hosts does with them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killHost } from '../src/host/host.ts';

/** The same virtual machine for all that is compared. */
export const MACHINE = { memoryMib: 2048, cpus: 2, iommu: true } as const;

/** In a host's folder of its own, which ENNEAD_HOST_DIR names meanwhile. Nothing of it stays. */
export async function inTemporaryHost<T>(measure: () => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-bench-'));
  process.env.ENNEAD_HOST_DIR = folder;
  try {
    return await measure();
  } finally {
    await killHost();
    await rm(folder, { recursive: true });
  }
}
