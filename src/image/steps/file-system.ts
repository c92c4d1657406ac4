/**
 * ext4 images without mounting anything, the same bytes every time. Inode tables are written out: left to the
 * kernel that mounts it first, that would keep a new virtual machine busy.
 */
import { SOURCE_DATE_EPOCH } from '../command.ts';
import { digestFile } from '../digest.ts';
import type { Job } from '../step.ts';

/** An input of every image made here. */
export const fileSystemRecipe = (): Promise<string> => digestFile(import.meta.filename);

export interface FileSystem {
  readonly image: string;
  /** Its contents. */
  readonly root: string;
  readonly label: string;
  readonly uuid: string;
  readonly sizeMib: number;
  readonly inodes: number;
  /** fakeroot's memory of who owns what; without it everything belongs to root. */
  readonly ownersFile?: string;
}

export async function makeFileSystem(job: Job, fs: FileSystem): Promise<void> {
  const owners = fs.ownersFile === undefined ? [] : ['-i', fs.ownersFile];
  const shape = `-q -t ext4 -m 0 -J size=16 -N ${fs.inodes}`.split(' ');
  const extended = `hash_seed=${fs.uuid},lazy_itable_init=0,lazy_journal_init=1`;
  const names = ['-L', fs.label, '-U', fs.uuid, '-E', extended];
  const mke2fs = ['mke2fs', ...shape, ...names, '-d', fs.root, fs.image, `${fs.sizeMib}M`];
  await job.run(['fakeroot', ...owners, '--', ...mke2fs], { env: { E2FSPROGS_FAKE_TIME: String(SOURCE_DATE_EPOCH) } });
}
