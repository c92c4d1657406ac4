/** Files that appear whole or not at all. */
import { rename, rm } from 'node:fs/promises';

/** `make` writes another file, which takes the place of `path` when it is complete and is removed when it fails. */
export async function atomically(path: string, make: (draft: string) => Promise<unknown>): Promise<void> {
  const draft = `${path}.new`;
  try {
    await make(draft);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw cause;
  }
}
