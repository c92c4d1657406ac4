/**
 * ext4 images without mounting anything, the same bytes every time. Inode tables are written out: left to the
 * kernel that mounts it first, that would keep a new virtual machine busy.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOURCE_DATE_EPOCH } from '../command.ts';
import { digestFile } from '../digest.ts';
import type { Job } from '../step.ts';

/** An input of every image made here. */
export const fileSystemRecipe = (): Promise<string> => digestFile(import.meta.filename);

const FIRST_INODE = 11;

export interface FileSystem {
  readonly image: string;
  /** Its contents. */
  readonly root: string;
  readonly label: string;
  readonly uuid: string;
  readonly sizeMib: number;
  readonly inodes: number;
  /** Whoever mounts it only reads it, so it needs no journal. */
  readonly readOnly?: true;
  /** fakeroot's memory of who owns what; without it everything belongs to root. */
  readonly ownersFile?: string;
}

export async function makeFileSystem(job: Job, fs: FileSystem): Promise<void> {
  const owners = fs.ownersFile === undefined ? [] : ['-i', fs.ownersFile];
  const journal = fs.readOnly ? '-O ^has_journal' : '-J size=16';
  const shape = `-q -t ext4 -m 0 ${journal} -N ${fs.inodes}`.split(' ');
  const extended = `hash_seed=${fs.uuid},lazy_itable_init=0,lazy_journal_init=1`;
  const names = ['-L', fs.label, '-U', fs.uuid, '-E', extended];
  const mke2fs = ['mke2fs', ...shape, ...names, '-d', fs.root, fs.image, `${fs.sizeMib}M`];
  const env = { E2FSPROGS_FAKE_TIME: String(SOURCE_DATE_EPOCH) };
  await job.run(['fakeroot', ...owners, '--', ...mke2fs], { env });
  await clearTimes(job, fs.image, env);
}

/** mke2fs copies the times of last access and change, which are the hour of this build, from the files. */
async function clearTimes(job: Job, image: string, env: Readonly<Record<string, string>>): Promise<void> {
  const header = await job.capture(['dumpe2fs', '-h', image]);
  const count = (name: string): number => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(header)?.[1]);
  const used = count('Inode count') - count('Free inodes');
  // A new file system numbers its inodes in a row: the root is 2, and 3 to 10 are its own.
  const inodes = [2, ...Array.from({ length: used - FIRST_INODE + 1 }, (_, index) => FIRST_INODE + index)];
  const fields = inodes.flatMap((inode) =>
    ['atime', 'ctime'].map((field) => `sif <${inode}> ${field} @${SOURCE_DATE_EPOCH}\n`),
  );
  const script = join(job.scratchDir, 'times.debugfs');
  await writeFile(script, fields.join(''));
  // It repeats every line on its standard output.
  await job.run(['sh', '-c', 'exec debugfs -w -f "$1" "$2" > /dev/null', 'debugfs', script, image], { env });
}
