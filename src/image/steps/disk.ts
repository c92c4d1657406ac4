/** The storage of a virtual host: what BlkBack finds on its controller. Sparse, so it costs nothing until it is written. */
import { join } from 'node:path';
import { QEMU_VOLUME } from '../../contracts/qemu-volume.ts';
import { SOURCE_DATE_EPOCH } from '../command.ts';
import { digestFile } from '../digest.ts';
import type { Job, Step } from '../step.ts';
import { fileSystemRecipe, makeFileSystem } from './file-system.ts';
import { exampleGuest } from './guest.ts';
import { QEMU_IMAGE, qemuVolume } from './qemu.ts';

const SIZE_MIB = 8192;
/** As BlkBack has them: src/services/blkback/volume-store.ts. */
const VOLUMES = 'volumes';
const MODES = 'u=rwX,go=';

interface Disk {
  readonly name: string;
  readonly summary: string;
  readonly needs: readonly Step[];
  readonly uuid: string;
  /** Image files, by the names of the volumes that they become. */
  volumes(job: Job): Readonly<Record<string, string>>;
}

export function diskStep({ name, summary, needs, uuid, volumes }: Disk): Step {
  const image = `${name}.raw`;
  return {
    name,
    summary,
    lane: 'cpu',
    needs,
    packages: ['e2fsprogs', 'fakeroot'],
    inputs: async () => ({ recipe: await digestFile(import.meta.filename), format: await fileSystemRecipe() }),
    async build(job) {
      const root = join(job.scratchDir, 'root');
      const folder = join(root, VOLUMES);
      await job.run(['mkdir', '-p', folder]);
      for (const [volume, file] of Object.entries(volumes(job))) {
        await job.run(['cp', '--sparse=always', file, join(folder, `${volume}.img`)]);
      }
      await job.run(['chmod', '-R', MODES, folder]);
      await job.run(['find', root, '-exec', 'touch', `--date=@${SOURCE_DATE_EPOCH}`, '{}', '+']);
      // A volume is one file.
      const shape = { label: 'ennead', uuid, sizeMib: SIZE_MIB, inodes: 8192 };
      await makeFileSystem(job, { image: join(job.outDir, image), root, ...shape });
      const materials = needs.flatMap((need) => job.artifact(need).materials);
      return { version: `${SIZE_MIB} MiB`, unhashed: [image], materials };
    },
  };
}

export const qemuFiles = (job: Job): Readonly<Record<string, string>> => ({
  [QEMU_VOLUME]: job.artifact(qemuVolume).path(QEMU_IMAGE),
});

export const hostDisk = diskStep({
  name: 'host-disk',
  summary: "the storage of a virtual host: ext4, with a folder for volumes and QEMU's files in it",
  needs: [qemuVolume],
  uuid: '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000001',
  volumes: qemuFiles,
});

/** The volume that examples/debian.cfg boots from. */
export const EXAMPLE_VOLUME = 'debian';

export const exampleDisk = diskStep({
  name: 'example-disk',
  summary: 'the same with the example guest on it, as a volume',
  needs: [qemuVolume, exampleGuest],
  uuid: '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000003',
  volumes: (job) => ({ ...qemuFiles(job), [EXAMPLE_VOLUME]: job.artifact(exampleGuest).path('guest.raw') }),
});
