/** `npm run bench:xenstore-scale`: what XenStore's requests cost with ten and with a thousand domains, and its memory with up to 100,000 nodes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serviceFolder } from '../src/image/allowance.ts';
import { bundle } from '../src/image/bundle.ts';
import { buildSteps } from '../src/image/images.ts';
import { runtime } from '../src/image/steps/runtime.ts';

/** Each in a process of its own, so that none sees another one's garbage. */
const ROWS = [
  ['domains', '10'],
  ['domains', '100'],
  ['domains', '1000'],
  ['nodes', '1000'],
  ['nodes', '10000'],
  ['nodes', '100000'],
  ...['nodes', 'values', 'names', 'permissions', 'watches', 'transactions', 'events'].map((kind) => ['full', kind]),
];
const HEAP_MIB = '512';
const FOLDERS = [
  /^bench\/xenstore\//,
  /^test\/fuzz\//,
  serviceFolder('xenstore-logic'),
  serviceFolder('xenstore-state'),
];

const { made } = await buildSteps([runtime], {});
const folder = await mkdtemp(join(tmpdir(), 'ennead-scale-'));
try {
  const program = join(folder, 'scale.mjs');
  await writeFile(program, await bundle('bench/xenstore/scale/main.ts', FOLDERS));
  const env = { ...process.env, ENNEAD_HEAP_MIB: HEAP_MIB };
  for (const row of ROWS) {
    const command = spawn(made.get(runtime)!.path('ennead-rt'), [program, ...row], {
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const [status] = await once(command, 'exit');
    if (status !== 0) throw new Error(`${row.join(' ')} has failed`);
  }
} finally {
  await rm(folder, { recursive: true });
}
