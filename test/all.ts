/** `npm test`: every check and every test, in the order in which a failure is cheapest. Prints each stage with its time. */
import { spawnSync } from 'node:child_process';
import { buildImages, installPackages } from '../src/image/build.ts';
import { seconds } from '../src/image/progress.ts';

type Stage = readonly [name: string, run: () => unknown];

const script = (name: string) => () => {
  const { status } = spawnSync('npm', ['run', '--silent', name], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`npm run ${name} says what failed`);
};

const stages: readonly Stage[] = [
  ['style, types, architecture', script('check')],
  // Unit tests run Debian's programs: checkpolicy, cpio, mke2fs.
  ['Debian packages', () => installPackages({ tests: true })],
  ['unit tests', script('test:unit')],
  ['images', () => buildImages()],
  ['images, built once more', script('test:reproducible')],
  ['runtime tests', script('test:runtime')],
  ['XenStore on this host', script('test:xenstored')],
  ['attacks on a booted Xen', script('test:security')],
  ['tests on a booted host', script('test:e2e')],
];

for (const [name, run] of stages) {
  const startedMs = performance.now();
  const elapsed = (): string => seconds(performance.now() - startedMs);
  console.log(`\n== ${name}`);
  try {
    await run();
  } catch (error) {
    console.error(`== ${name}: failed after ${elapsed()}: ${(error as Error).message}`);
    process.exit(1);
  }
  console.log(`== ${name}: passed in ${elapsed()}`);
}
