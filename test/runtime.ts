/** `npm run test:runtime`: builds ennead-rt with sanitizers and runs its own tests. QuickJS's source comes from the image builder's cache. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSteps } from '../src/image/images.ts';
import { quickjsSource } from '../src/image/steps/sources.ts';

function run(...argv: [string, ...string[]]): void {
  const [program, ...args] = argv;
  const { status, error } = spawnSync(program, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
}

const { made } = await buildSteps([quickjsSource], { tests: true });
const source = made.get(quickjsSource)!;
const description = Object.keys(source.files).find((name) => name.endsWith('.dsc'))!;
const folder = mkdtempSync(join(tmpdir(), 'ennead-runtime-'));
// Tests start programs of this folder as another user.
chmodSync(folder, 0o711);
try {
  const quickjs = join(folder, 'quickjs');
  run('dpkg-source', '--no-check', '--extract', source.path(description), quickjs);
  const runtime = join(import.meta.dirname, '..', 'runtime');
  run('patch', '--silent', '--strip=1', '--directory', quickjs, '--input', join(runtime, 'quickjs.patch'));
  run(join(runtime, 'test', 'run.sh'), quickjs, join(folder, 'out'));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
