/** The baseline: the kernel of domain 0 with one program that says that it runs. Same kernel, same runtime, no split. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeCpio } from '../src/image/cpio.ts';
import { buildSteps } from '../src/image/images.ts';
import { runtime } from '../src/image/steps/runtime.ts';

const PROGRAM = `import * as rt from 'ennead:rt';
rt.log('ennead[bare]: ready');
rt.onEvent(() => {});
rt.evtchnAllocUnbound(0);
`;

/** Writes the initramfs to `file`. */
export async function writeBareDomainZero(file: string): Promise<void> {
  const { made } = await buildSteps([runtime], {});
  const ennead = made.get(runtime)!.path('ennead-rt');
  const folder = await mkdtemp(join(tmpdir(), 'ennead-bare-'));
  try {
    await writeFile(join(folder, 'bare.mjs'), PROGRAM);
    await promisify(execFile)(ennead, ['--compile', 'bare.mjs', 'service.qbc'], { cwd: folder });
    const entries = [
      ...['dev', 'proc', 'sys', 'tmp', 'run'].map((path) => ({ kind: 'directory', path }) as const),
      { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 } as const,
      { kind: 'file', path: 'init', mode: 0o755, bytes: await readFile(ennead) } as const,
      { kind: 'file', path: 'service.qbc', bytes: await readFile(join(folder, 'service.qbc')) } as const,
    ];
    await writeFile(file, writeCpio(entries));
  } finally {
    await rm(folder, { recursive: true });
  }
}
