/** TypeScript as one ES module with everything but the runtime's own, and that module as QuickJS bytecode. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, version as esbuildVersion } from 'esbuild';
import { forbiddenInputs } from './allowance.ts';
import { digestBytes } from './digest.ts';
import type { Built, Job, Step } from './step.ts';

const REPOSITORY = join(import.meta.dirname, '..', '..');

export interface Program {
  /** Of the bytecode, without its suffix. */
  readonly name: string;
  /** As stack traces have it. */
  readonly module: string;
  /** Relative to the repository. */
  readonly entry: string;
}

/** `folders`: where its own code may lie. @throws when an input lies outside of them and of what every program may have. */
export async function bundle(entry: string, folders: readonly RegExp[]): Promise<string> {
  const result = await build({
    absWorkingDir: REPOSITORY,
    entryPoints: [entry],
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
  const forbidden = forbiddenInputs(folders, Object.keys(result.metafile.inputs).sort());
  if (forbidden.length > 0)
    throw new Error(`${entry} may not contain ${forbidden.join(', ')} (bundled with esbuild ${esbuildVersion})`);
  return result.outputFiles[0]!.text;
}

/** What a step needs to be made of programs: its inputs and its build. Bundling takes milliseconds, so its result is the input. */
export function compiling(
  programs: readonly Program[],
  folders: readonly RegExp[],
  runtime: Step,
): Pick<Step, 'inputs' | 'build'> {
  const bundles = (): Promise<string[]> => Promise.all(programs.map(({ entry }) => bundle(entry, folders)));
  return {
    inputs: async () => ({ modules: digestBytes((await bundles()).join('\0')) }),
    build: async (job) => compile(job, programs, await bundles(), runtime),
  };
}

async function compile(
  job: Job,
  programs: readonly Program[],
  texts: readonly string[],
  runtime: Step,
): Promise<Built> {
  const compiler = job.artifact(runtime).path('ennead-rt');
  for (const [index, { name, module }] of programs.entries()) {
    await writeFile(join(job.outDir, module), texts[index]!);
    await job.run([compiler, '--compile', module, `${name}.qbc`], { cwd: job.outDir });
  }
  return { version: digestBytes(texts.join('\0')).slice(0, 12), materials: [] };
}
