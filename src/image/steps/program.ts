/** A service's programs: its TypeScript as one module each, compiled to QuickJS bytecode. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, version as esbuildVersion } from 'esbuild';
import type { ServiceName } from '../../kit/manifest.ts';
import { forbiddenInputs } from '../allowance.ts';
import { digestBytes } from '../digest.ts';
import type { Step } from '../step.ts';
import { runtime } from './runtime.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..', '..');

/** `programs`: names of entry points beside main.ts, which becomes service.qbc. */
export function programStep(service: ServiceName, programs: readonly string[]): Step {
  const entries = [['service', 'main'] as const, ...programs.map((name) => [name, name] as const)];
  const bundles = (): Promise<string[]> => Promise.all(entries.map(([, entry]) => bundleService(service, entry)));
  return {
    name: `program-${service}`,
    summary: `bytecode of ${service}`,
    lane: 'cpu',
    needs: [runtime],
    packages: [],
    // Bundling takes milliseconds, so its result is the input, rather than whatever it might have read.
    inputs: async () => ({ modules: digestBytes((await bundles()).join('\0')) }),
    async build(job) {
      const texts = await bundles();
      const compiler = job.artifact(runtime).path('ennead-rt');
      for (const [index, [name]] of entries.entries()) {
        // The name appears in stack traces.
        const module = name === 'service' ? `${service}.js` : `${service}-${name}.js`;
        await writeFile(join(job.outDir, module), texts[index]!);
        await job.run([compiler, '--compile', module, `${name}.qbc`], { cwd: job.outDir });
      }
      return { version: digestBytes(texts.join('\0')).slice(0, 12), materials: [] };
    },
  };
}

/** One ES module with everything but the runtime's own. @throws when an input lies outside the service's allowance. */
export async function bundleService(service: ServiceName, entry = 'main'): Promise<string> {
  const result = await build({
    absWorkingDir: REPOSITORY,
    entryPoints: [join('src', 'services', service, `${entry}.ts`)],
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
