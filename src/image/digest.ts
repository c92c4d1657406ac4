/** Content hashes: what the cache is keyed by, and what the bill of materials prints. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export type Sha256 = string;

export function digestBytes(bytes: Uint8Array | string): Sha256 {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function digestFile(path: string): Promise<Sha256> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** The same for any order of keys, so that a key does not depend on how a step lists its inputs. */
export function digestRecord(record: Readonly<Record<string, string>>): Sha256 {
  const sorted = Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
  return digestBytes(JSON.stringify(sorted));
}

/** Names, link targets and contents of a folder; modes and times do not count. `keep` sees paths relative to `root`. */
export async function digestTree(root: string, keep: (path: string) => boolean = () => true): Promise<Sha256> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const record: Record<string, string> = {};
  for (const entry of entries) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const relative = path.slice(root.length + 1);
    if (!keep(relative)) continue;
    if (entry.isSymbolicLink()) record[relative] = `-> ${await readlink(path)}`;
    else if (entry.isFile()) record[relative] = digestBytes(await readFile(path));
  }
  return digestRecord(record);
}
