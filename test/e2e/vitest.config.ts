import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/e2e/functional/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 600_000,
    // One virtual host at a time: two cores.
    fileParallelism: false,
    pool: 'forks',
    globalSetup: ['test/e2e/host-fixture.ts'],
  },
});
