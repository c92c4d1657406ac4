/** CDs of Debian's packages that boot on a PC and are no Linux: a memory test, and GRUB with its shell. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '../../src/image/digest.ts';
import type { Step } from '../../src/image/step.ts';
import { binaryPackage, fetchStep } from '../../src/image/steps/sources.ts';

export const CD_IMAGE = 'cd.iso';

interface CdPackage {
  readonly step: string;
  readonly package: string;
  readonly path: string;
}

/** The package is unpacked and not installed: what it would do to this machine's boot loader is not wanted. */
function cdStep({ step: name, package: packageName, path }: CdPackage): Step {
  const fetched = fetchStep(`${name}-package`, `Debian's package ${packageName}`, binaryPackage(packageName));
  return {
    name,
    summary: `the CD of Debian's package ${packageName}, for tests`,
    lane: 'cpu',
    needs: [fetched],
    packages: [],
    inputs: async () => ({ recipe: await digestFile(import.meta.filename), path }),
    async build(job) {
      const folder = join(job.artifact(fetched).dir, 'files');
      for (const file of await readdir(folder))
        await job.run(['dpkg-deb', '--extract', join(folder, file), job.scratchDir]);
      await job.run(['cp', join(job.scratchDir, path), join(job.outDir, CD_IMAGE)]);
      const { version, materials } = job.artifact(fetched);
      return { version, materials };
    },
  };
}

export const memtest = cdStep({
  step: 'memtest-cd',
  package: 'memtest86+',
  path: 'usr/lib/memtest86+/memtest86+x64.iso',
});

export const grubShell = cdStep({
  step: 'grub-cd',
  package: 'grub-rescue-pc',
  path: 'usr/lib/grub-rescue/grub-rescue-cdrom.iso',
});
