/** Files of the operator's. */
import { type FileHandle, open } from 'node:fs/promises';
import { CliError } from './exit-codes.ts';

/** `wx`: a new one; nothing is overwritten. */
export async function openLocal(path: string, flags: 'r' | 'wx'): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new CliError('no-file', `${path} exists already and is not overwritten`);
    throw new CliError('no-file', `${path} cannot be opened (${code})`);
  }
}
