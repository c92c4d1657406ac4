import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'test/e2e/xenstore/differential.test.ts',
      'test/e2e/kills/kills.test.ts',
      'test/e2e/rebuild/rebuild.test.ts',
      'test/e2e/confinement/confinement.test.ts',
    ],
    testTimeout: 300_000,
    // The images may have to be built first; then hosts boot, one after the other.
    hookTimeout: 1_800_000,
    fileParallelism: false,
    pool: 'forks',
  },
});
