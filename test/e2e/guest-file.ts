/** Guests from files, as an operator makes them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ran, tryEnnead } from './ennead.ts';

export interface Created extends Ran {
  /** The name under which messages speak of the file; it is gone by now. */
  readonly file: string;
}

/** `ennead create` with a file of this text. */
export async function tryCreate(text: string): Promise<Created> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-guest-'));
  const file = join(folder, 'guest.cfg');
  try {
    await writeFile(file, text);
    return { ...(await tryEnnead('create', file)), file };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The guest must come up. */
export async function create(text: string): Promise<void> {
  const { status, stderr } = await tryCreate(text);
  if (status !== 0) throw new Error(`a guest was not created (${status}): ${stderr.trim()}\n${text}`);
}
