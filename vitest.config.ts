import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      '{bench,bin,src}/**/*.test.ts',
      'test/{compliance,sim,fuzz}/**/*.test.ts',
      'test/e2e/*.test.ts',
      'test/e2e/xenstore/{heard,judgement,random-programs}.test.ts',
    ],
    testTimeout: 30_000,
    pool: 'threads',
    maxWorkers: 2,
  },
});
