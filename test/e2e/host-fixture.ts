/** Boots one virtual host for all e2e files (vitest's globalSetup) and takes it down afterwards. */
import { bootTestHost, takeDown } from './test-host.ts';

export async function setup(): Promise<() => Promise<void>> {
  const path = await bootTestHost();
  return () => failingTheRun(() => takeDown(path));
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
