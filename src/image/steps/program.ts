/** A service's program: its TypeScript as one module, compiled to QuickJS bytecode. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, version as esbuildVersion } from 'esbuild';
import type { ServiceName } from '../../kit/manifest.ts';
import { forbiddenInputs } from '../allowance.ts';
import { digestBytes } from '../digest.ts';
import type { Step } from '../step.ts';
import { runtime } from './runtime.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..', '..');

export function programStep(service: ServiceName): Step {
  return {
    name: `program-${service}`,
    summary: `bytecode of ${service}`,
    lane: 'cpu',
    needs: [runtime],
    packages: [],
    // Bundling takes milliseconds, so its result is the input, rather than whatever it might have read.
    inputs: async () => ({ module: digestBytes(await bundleService(service)) }),
    async build(job) {
      const module = join(job.outDir, `${service}.js`);
      const text = await bundleService(service);
      await writeFile(module, text);
      const compiler = job.artifact(runtime).path('ennead-rt');
      await job.run([compiler, '--compile', `${service}.js`, 'service.qbc'], { cwd: job.outDir });
      return { version: digestBytes(text).slice(0, 12), materials: [] };
    },
  };
}

/** One ES module with everything but the runtime's own. @throws when an input lies outside the service's allowance. */
export async function bundleService(service: ServiceName): Promise<string> {
  const result = await build({
    absWorkingDir: REPOSITORY,
    entryPoints: [join('src', 'services', service, 'main.ts')],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2023',
    external: ['ennead:rt'],
    treeShaking: true,
    minifySyntax: true,
    // A comment or a path would make the program depend on more than its code.
    legalComments: 'none',
    logLevel: 'silent',
  });
  const inputs = Object.keys(result.metafile.inputs).sort();
  const forbidden = forbiddenInputs(service, inputs);
  if (forbidden.length > 0) {
    throw new Error(`${service} may not contain ${forbidden.join(', ')} (bundled with esbuild ${esbuildVersion})`);
  }
  return result.outputFiles[0]!.text;
}
