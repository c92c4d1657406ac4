#!/usr/bin/env node
/**
 * `node bin/run.mjs ENTRY [ARGUMENT…]`: runs one of Ennead's TypeScript programs, on a fresh clone too. The packages of the lockfile
 * are installed first where that has not been done, or was done for another lockfile.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = resolve(fileURLToPath(import.meta.url), '..', '..');
const STAMP = join(ROOT, 'node_modules', '.ennead-lock');
/** Has import.meta.dirname. */
const NODE_MIN = [20, 11];

/** Loads `entry` (a path below the repository) as if Node had been started with it. */
export async function run(entry, args) {
  requireNode();
  installPackages();
  const { register } = await import('tsx/esm/api');
  register();
  const path = resolve(ROOT, entry);
  process.argv = [process.argv[0], path, ...args];
  await import(pathToFileURL(path).href);
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  fail(`Node ${NODE_MIN.join('.')} or newer is needed, this is ${process.version}`);
}

function installPackages() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  const startedMs = performance.now();
  console.error('ennead: installing the packages of package-lock.json (npm ci)');
  // Standard output belongs to the program that is about to run.
  const { status, error } = spawnSync('npm', ['ci', '--no-fund', '--no-audit'], { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail(`npm ci failed (${error?.message ?? `status ${status}`}); run it in ${ROOT} to see more`);
  writeFileSync(STAMP, wanted);
  console.error(`ennead: packages installed in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}

function fail(message) {
  console.error(`ennead: ${message}`);
  process.exit(1);
}

if (resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  const [entry, ...args] = process.argv.slice(2);
  if (entry === undefined) fail('usage: node bin/run.mjs ENTRY [ARGUMENT…]');
  await run(entry, args);
}
