/** Builds images once more, in a folder of their own and from the same sources, and compares every byte with what the cache holds. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { steps } from './graph.ts';
import { allNeeds, type BuildOptions, buildSteps } from './images.ts';
import type { Artifact, Step } from './step.ts';
import { ARTIFACTS } from './store.ts';

export interface VerifiedImage {
  readonly name: string;
  readonly files: number;
  /** Files that came out otherwise, or came out once only. */
  readonly different: readonly string[];
}

export interface Verification {
  readonly images: readonly VerifiedImage[];
  /** Where the second build is, for a closer look; null where nothing differs: then it is deleted. */
  readonly keptIn: string | null;
}

const run = promisify(execFile);

/** Every step but the sources: what Debian's archive gives is an input, and no result of ours. */
export const verifiableSteps = (): Step[] => allNeeds(steps).filter(({ name }) => !name.endsWith('-source'));

/** Takes as long as building `wanted` from nothing; what those are made of comes from the cache. */
export async function verifyImages(wanted: readonly Step[], options: BuildOptions = {}): Promise<Verification> {
  const { made: first, store } = await buildSteps(allNeeds(wanted), options);
  const folder = await mkdtemp(`${store.root}-verify-`);
  const images = await comparedWithSecondBuild(wanted, first, { ...options, cacheDir: folder }).catch(async (error) => {
    await rm(folder, { recursive: true });
    throw error;
  });
  const same = images.every(({ different }) => different.length === 0);
  if (same) await rm(folder, { recursive: true });
  return { images, keptIn: same ? null : folder };
}

async function comparedWithSecondBuild(
  wanted: readonly Step[],
  first: ReadonlyMap<Step, Artifact>,
  options: BuildOptions & { readonly cacheDir: string },
): Promise<VerifiedImage[]> {
  const given = [...first].filter(([step]) => !wanted.includes(step));
  const artifacts = join(options.cacheDir, ARTIFACTS);
  await mkdir(artifacts);
  for (const [, { dir }] of given) await run('cp', ['--archive', '--link', dir, artifacts]);
  const { made: second } = await buildSteps(wanted, options);
  const images: VerifiedImage[] = [];
  for (const step of wanted) images.push(await compared(first.get(step)!, second.get(step)!));
  return images;
}

async function compared(first: Artifact, second: Artifact): Promise<VerifiedImage> {
  const names = [...new Set([...Object.keys(first.files), ...Object.keys(second.files)])];
  const different: string[] = [];
  for (const name of names) if (!(await sameBytes(join(first.dir, name), join(second.dir, name)))) different.push(name);
  return { name: first.name, files: names.length, different };
}

/** Read, not remembered: this is what finds a cache that was damaged, too. cmp ends with 1 for a difference, and with 2 for a missing file. */
async function sameBytes(first: string, second: string): Promise<boolean> {
  try {
    await run('cmp', ['--silent', first, second]);
    return true;
  } catch {
    return false;
  }
}

export function formatVerification({ images }: Verification): string {
  const width = Math.max(...images.map(({ name }) => name.length));
  const line = ({ name, files, different }: VerifiedImage): string => {
    const verdict = different.length === 0 ? 'the same' : `DIFFERENT: ${different.join(', ')}`;
    return `${name.padEnd(width)}  ${files} ${files === 1 ? 'file ' : 'files'}  ${verdict}\n`;
  };
  return images.map(line).join('');
}
