import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/e2e/security/**/*.test.ts'],
    testTimeout: 30_000,
    // The images may have to be built first.
    hookTimeout: 1_800_000,
    pool: 'forks',
  },
});
