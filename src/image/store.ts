/**
 * The cache: one folder per artifact, `artifacts/<step>-<key>`, with `artifact.json` beside its files.
 * A folder appears by rename when it is complete, so whatever is there is whole.
 */
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { digestFile, digestRecord, type Sha256 } from './digest.ts';
import type { Artifact, ArtifactFile, Built, Material } from './step.ts';

const RECORD = 'artifact.json';
/** The folder of all artifacts in a cache. */
export const ARTIFACTS = 'artifacts';
/** Enough of a SHA-256 for folder names. */
const KEY_DIGITS = 20;

interface StoredArtifact {
  readonly name: string;
  readonly version: string;
  readonly materials: readonly Material[];
  readonly key: Sha256;
  readonly files: Readonly<Record<string, ArtifactFile>>;
}

export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return env.ENNEAD_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ennead');
}

export class Store {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  logPath(step: string): string {
    return join(this.root, 'logs', `${step}.log`);
  }

  async createFolders(): Promise<void> {
    for (const name of [ARTIFACTS, 'logs', 'apt']) await mkdir(join(this.root, name), { recursive: true });
  }

  /** Whatever an earlier build left is half-made: it died before its rename. */
  async clearScratch(): Promise<void> {
    await rm(join(this.root, 'tmp'), { recursive: true, force: true });
  }

  /** A folder for half-made things. */
  async scratch(name: string): Promise<string> {
    const dir = join(this.root, 'tmp', name);
    await mkdir(dir, { recursive: true });
    return dir;
  }

  async find(name: string, key: Sha256): Promise<Artifact | undefined> {
    const startedMs = performance.now();
    const dir = this.#dir(name, key);
    const text = await readFile(join(dir, RECORD), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const stored = JSON.parse(text) as StoredArtifact;
    if (stored.key !== key || !(await this.#isWhole(dir, stored))) {
      await rm(dir, { recursive: true, force: true });
      return undefined;
    }
    const now = new Date();
    await utimes(join(dir, RECORD), now, now);
    return opened(dir, stored, true, performance.now() - startedMs);
  }

  /** Moves a finished folder into the cache. */
  async add(name: string, key: Sha256, outDir: string, built: Built, elapsedMs: number): Promise<Artifact> {
    const files = await describeFiles(outDir, built.unhashed ?? []);
    const stored: StoredArtifact = { name, key, version: built.version, materials: built.materials ?? [], files };
    await writeFile(join(outDir, RECORD), `${JSON.stringify(stored, null, 2)}\n`);
    const dir = this.#dir(name, key);
    await rm(dir, { recursive: true, force: true });
    await rename(outDir, dir);
    return opened(dir, stored, false, elapsedMs);
  }

  /** Build trees that steps share; `clearWork` deletes them. */
  async work(name: string): Promise<string> {
    const dir = join(this.root, 'work', name);
    await mkdir(dir, { recursive: true });
    return dir;
  }

  async clearWork(): Promise<void> {
    await rm(join(this.root, 'work'), { recursive: true, force: true });
  }

  /** Deletes all but the `keep` most recently used artifacts of each step. */
  async prune(keep: number): Promise<void> {
    const byStep = new Map<string, { dir: string; usedMs: number }[]>();
    for (const entry of await readdir(join(this.root, ARTIFACTS))) {
      const dir = join(this.root, ARTIFACTS, entry);
      const record = await stat(join(dir, RECORD)).catch(() => undefined);
      const step = entry.slice(0, -KEY_DIGITS - 1);
      byStep.set(step, [...(byStep.get(step) ?? []), { dir, usedMs: record?.mtimeMs ?? 0 }]);
    }
    for (const uses of byStep.values()) {
      uses.sort((a, b) => b.usedMs - a.usedMs);
      for (const { dir } of uses.slice(keep)) await rm(dir, { recursive: true, force: true });
    }
  }

  #dir(name: string, key: Sha256): string {
    return join(this.root, ARTIFACTS, `${name}-${key.slice(0, KEY_DIGITS)}`);
  }

  /** Sizes only: hashing gigabytes on every start would cost more than it finds. */
  async #isWhole(dir: string, stored: StoredArtifact): Promise<boolean> {
    for (const [file, { sizeBytes }] of Object.entries(stored.files)) {
      const found = await stat(join(dir, file)).catch(() => undefined);
      if (found?.size !== sizeBytes) return false;
    }
    return true;
  }
}

async function describeFiles(dir: string, unhashed: readonly string[]): Promise<Record<string, ArtifactFile>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const files: Record<string, ArtifactFile> = {};
  for (const path of paths.sort()) {
    const name = path.slice(dir.length + 1);
    const { size: sizeBytes } = await stat(path);
    files[name] = unhashed.includes(name) ? { sizeBytes } : { sizeBytes, sha256: await digestFile(path) };
  }
  return files;
}

function opened(dir: string, stored: StoredArtifact, cached: boolean, elapsedMs: number): Artifact {
  const digests = Object.fromEntries(
    Object.entries(stored.files).map(([file, { sha256 }]) => [file, sha256 ?? stored.key]),
  );
  const path = (file: string): string => {
    if (stored.files[file] === undefined) throw new Error(`artifact ${stored.name} has no file ${file}`);
    return join(dir, file);
  };
  return { ...stored, dir, digest: digestRecord(digests), cached, elapsedMs, path };
}
