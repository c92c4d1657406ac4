import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { engines: { node: string } };

/** `run.mjs` on a Node that says it is this version. */
function runOn(node: string, ...argv: string[]): { status: number | null; stderr: string } {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${node}' } })`;
  const args = ['--import', `data:text/javascript,${pretend}`, join(ROOT, 'bin', 'run.mjs'), ...argv];
  return spawnSync(process.execPath, args, { encoding: 'utf8' });
}

test.each(['18.20.4', '20.10.0'])('Node %s is refused in one line that says which is needed', (node) => {
  const { status, stderr } = runOn(node, 'src/cli/main.ts');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^ennead: Node \S+ or newer is needed, this is \S+\n$/);
  expect(`>=${/Node (\S+)/.exec(stderr)?.[1]}`).toBe(engines.node);
});

test.each(['20.11.0', '22.1.0'])('Node %s is not', (node) => {
  expect(runOn(node).stderr).toBe('ennead: usage: node bin/run.mjs ENTRY [ARGUMENT…]\n');
});
