/** Programs of the distribution that a service VM holds beside its own: the file and every library it loads. */
import { execFile } from 'node:child_process';
import { readFile, realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { CpioEntry } from './cpio.ts';

/** The files as archive entries, under the paths where the loader looks for them. */
export async function extraEntries(programs: readonly string[]): Promise<CpioEntry[]> {
  const paths = new Set<string>();
  for (const program of programs) {
    paths.add(program);
    for (const library of await librariesOf(program)) paths.add(library);
  }
  return Promise.all(
    [...paths].sort().map(async (path) => ({
      kind: 'file' as const,
      path: path.slice(1),
      mode: 0o755,
      bytes: await readFile(await realpath(path)),
    })),
  );
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
