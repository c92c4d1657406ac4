/** `npm test`: every check and every test, in the order in which a failure is cheapest. Prints each stage with its time. */
import { spawnSync } from 'node:child_process';
import { buildImages } from '../src/image/build.ts';

const stages: [name: string, command: string[]][] = [
  ['style, types, architecture', ['npm', 'run', '--silent', 'check']],
  ['unit tests', ['npm', 'run', '--silent', 'test:unit']],
];

function runStage(name: string, command: string[]): void {
  const started = performance.now();
  console.log(`\n== ${name}`);
  const [program, ...args] = command;
  const { status } = spawnSync(program!, args, { stdio: 'inherit' });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (status !== 0) {
    console.error(`== ${name}: failed after ${seconds} s`);
    process.exit(1);
  }
  console.log(`== ${name}: passed in ${seconds} s`);
}

for (const [name, command] of stages) runStage(name, command);
console.log('\n== images');
await buildImages({ tests: true });
runStage('runtime tests', ['npm', 'run', '--silent', 'test:runtime']);
runStage('attacks on a booted Xen', ['npm', 'run', '--silent', 'test:security']);
runStage('tests on a booted host', ['npm', 'run', '--silent', 'test:e2e']);
