/** Programs of the distribution that a service VM holds beside its own: the file and every library it loads. */
import { execFile } from 'node:child_process';
import { readFile, realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { CpioEntry } from './cpio.ts';
import { digestFile } from './digest.ts';
import type { Toolbox } from './packages.ts';
import type { Material } from './step.ts';

/** The files as archive entries, under the paths where the loader looks for them. */
export async function extraEntries(programs: readonly string[]): Promise<CpioEntry[]> {
  const libraries = await Promise.all(programs.map(librariesOf));
  const paths = new Set([...programs, ...libraries.flat()]);
  return Promise.all(
    [...paths].sort().map(async (path) => ({
      kind: 'file' as const,
      path: path.slice(1),
      mode: 0o755,
      bytes: await readFile(await realpath(path)),
    })),
  );
}

/** For the bill of materials: each file of the distribution, by its absolute path, and the package it is from. */
export function debianMaterials(paths: readonly string[], toolbox: Toolbox): Promise<Material[]> {
  return Promise.all(
    paths.map(async (path) => {
      const name = await packageOf(path);
      const version = toolbox.versionsOf([name]).slice(`${name}=`.length);
      return { name: `${name}: ${path}`, version, sha256: await digestFile(await realpath(path)) };
    }),
  );
}

/** dpkg knows a file by the name that its package gave it: of a link, or without the /usr that was put before it since. */
async function packageOf(path: string): Promise<string> {
  const real = await realpath(path);
  for (const known of new Set([path, real, real.replace(/^\/usr\//, '/')])) {
    const { stdout } = await promisify(execFile)('dpkg-query', ['--search', known]).catch(() => ({ stdout: '' }));
    const [, name] = /^([a-z0-9][a-z0-9+.-]+)(?::\w+)?: /.exec(stdout) ?? [];
    if (name) return name;
  }
  throw new Error(`no Debian package has ${path}`);
}

async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ldd', [program]).catch(() => ({ stdout: '' }));
  return parseLdd(stdout);
}

/** `name => /path (address)` or `/loader (address)`; linux-vdso has no file. */
export function parseLdd(text: string): string[] {
  if (/=> not found/.test(text)) throw new Error(`a library is missing:\n${text}`);
  return [...text.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map((match) => match[1]!);
}
