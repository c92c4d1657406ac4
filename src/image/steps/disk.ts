/** The storage of a virtual host: what BlkBack finds on its controller. Sparse, so it costs nothing until it is written. */
import { join } from 'node:path';
import { SOURCE_DATE_EPOCH } from '../command.ts';
import { digestFile } from '../digest.ts';
import type { Step } from '../step.ts';
import { fileSystemRecipe, makeFileSystem } from './file-system.ts';

const IMAGE = 'host-disk.raw';
const SIZE_MIB = 8192;
const FILE_SYSTEM_UUID = '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000001';

export const hostDisk: Step = {
  name: 'host-disk',
  summary: 'the storage of a virtual host: ext4, with an empty folder for volumes',
  lane: 'cpu',
  needs: [],
  packages: ['e2fsprogs', 'fakeroot'],
  inputs: async () => ({ recipe: await digestFile(import.meta.filename), format: await fileSystemRecipe() }),
  async build(job) {
    const root = join(job.scratchDir, 'root');
    await job.run(['mkdir', '-p', join(root, 'volumes')]);
    await job.run(['touch', `--date=@${SOURCE_DATE_EPOCH}`, root, join(root, 'volumes')]);
    await makeFileSystem(job, {
      image: join(job.outDir, IMAGE),
      root,
      label: 'ennead',
      uuid: FILE_SYSTEM_UUID,
      sizeMib: SIZE_MIB,
      // A volume is one file.
      inodes: 8192,
    });
    return { version: `${SIZE_MIB} MiB`, unhashed: [IMAGE] };
  },
};
