/** Debian's xenstored, from its package and without installing that, and what it takes to start it where there is no Xen. */
import { join } from 'node:path';
import { fetchNewest, openApt } from '../../../src/image/apt.ts';
import { digestFile } from '../../../src/image/digest.ts';
import type { Step } from '../../../src/image/step.ts';

const PACKAGE = 'xen-utils-4.17';
const SHIM = join(import.meta.dirname, 'fake-hypervisor.c');
const GCC = 'gcc-12';

export const referenceXenstored: Step = {
  name: 'reference-xenstored',
  summary: "Debian's xenstored, for comparison",
  lane: 'network',
  needs: [],
  newest: true,
  packages: [GCC, 'libc6-dev', 'libxen-dev'],
  inputs: async () => ({ shim: await digestFile(SHIM), recipe: await digestFile(import.meta.filename) }),
  async build(job) {
    const apt = await openApt(job);
    const folder = join(job.scratchDir, 'package');
    const versions = await apt.packageVersions(PACKAGE);
    const fetched = await fetchNewest(job, PACKAGE, versions, folder, (version, into) =>
      apt.downloadPackage(PACKAGE, version, into),
    );
    const files = join(job.scratchDir, 'files');
    await job.run(['sh', '-c', 'dpkg-deb --extract "$1"/*.deb "$2"', 'extract', folder, files]);
    await job.run(['cp', join(files, 'usr', 'lib', 'xen-4.17', 'bin', 'xenstored'), job.outDir]);
    await job.run([GCC, '-shared', '-fPIC', '-O1', '-o', join(job.outDir, 'fake-hypervisor.so'), SHIM]);
    return fetched;
  },
};
