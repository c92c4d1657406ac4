/** The storage of both machines, with the guest's disk on it: a volume of Ennead's, and the same file in the ordinary domain 0. */
import { join } from 'node:path';
import { digestFile } from '../../src/image/digest.ts';
import type { Step } from '../../src/image/step.ts';
import { diskStep, qemuFiles } from '../../src/image/steps/disk.ts';
import { qemuVolume } from '../../src/image/steps/qemu.ts';
import { DOMAIN_ZERO_DISK, debian } from './domain-zero.ts';
import { benchGuest, GUEST_DISK } from './guest.ts';
import { GUEST_NAME } from './plan.ts';

export const ENNEAD_DISK = 'bench-host-disk.raw';

export const enneadDisk = diskStep({
  name: 'bench-host-disk',
  summary: 'the storage of a virtual host with the guest that measures on it',
  needs: [qemuVolume, benchGuest],
  uuid: '5d3ad2f6-2b0c-4f26-9d6c-0e9ead000007',
  volumes: (job) => ({ ...qemuFiles(job), [GUEST_NAME]: job.artifact(benchGuest).path(GUEST_DISK) }),
});

export const domainZeroDisk: Step = {
  name: 'bench-domain-zero-disk',
  summary: 'the Debian to compare with, and the guest that measures on it',
  lane: 'cpu',
  needs: [debian, benchGuest],
  packages: ['e2fsprogs'],
  inputs: async () => ({ recipe: await digestFile(import.meta.filename) }),
  async build(job) {
    const disk = join(job.outDir, DOMAIN_ZERO_DISK);
    const guest = job.artifact(benchGuest).path(GUEST_DISK);
    await job.run(['cp', '--sparse=always', job.artifact(debian).path(DOMAIN_ZERO_DISK), disk]);
    await job.run(['debugfs', '-w', '-R', `write ${guest} /volumes/${GUEST_NAME}.img`, disk]);
    return { version: job.artifact(debian).version, unhashed: [DOMAIN_ZERO_DISK] };
  },
};
