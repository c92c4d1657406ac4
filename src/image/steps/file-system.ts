/**
 * ext4 images without mounting anything, the same bytes every time. A new file reads as zeros, so nothing in it
 * has to be zeroed: neither now nor, which would keep a new host busy, by the kernel that mounts it.
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
  /** fakeroot's memory of who owns what; without it everything belongs to root. */
  readonly ownersFile?: string;
}

export async function makeFileSystem(job: Job, fs: FileSystem): Promise<void> {
  const owners = fs.ownersFile === undefined ? [] : ['-i', fs.ownersFile];
  const names = ['-L', fs.label, '-U', fs.uuid, '-E', `hash_seed=${fs.uuid},lazy_journal_init=1`];
  const mke2fs = [
    'mke2fs',
    '-q',
    '-t',
    'ext4',
    '-m',
    '0',
    '-J',
    'size=16',
    ...names,
    '-d',
    fs.root,
    fs.image,
    `${fs.sizeMib}M`,
  ];
  await job.run(['fakeroot', ...owners, '--', ...mke2fs], { env: { E2FSPROGS_FAKE_TIME: String(SOURCE_DATE_EPOCH) } });
}
