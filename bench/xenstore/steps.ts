/** What the benchmark adds to the project's own images: its programs, and Debian's two servers from their package. */
import { join } from 'node:path';
import { serviceFolder } from '../../src/image/allowance.ts';
import { fetchNewest, openApt } from '../../src/image/apt.ts';
import { compiling } from '../../src/image/bundle.ts';
import { digestFile } from '../../src/image/digest.ts';
import type { Step } from '../../src/image/step.ts';
import { runtime } from '../../src/image/steps/runtime.ts';

const PROGRAMS = ['domain-zero', 'conductor', 'client', 'logic-without-reset'].map((name) => ({
  name,
  module: `bench-${name}.js`,
  entry: `bench/xenstore/${name}/main.ts`,
}));

export const programs: Step = {
  name: 'bench-xenstore',
  summary: 'bytecode of the XenStore benchmark',
  lane: 'cpu',
  needs: [runtime],
  packages: [],
  ...compiling(PROGRAMS, [/^bench\/xenstore\//, serviceFolder('xenstore-logic')], runtime),
};

const PACKAGE = 'xen-utils-4.17';
const DAEMONS = ['xenstored', 'oxenstored'];

export const daemons: Step = {
  name: 'debian-xenstore-daemons',
  summary: "Debian's xenstored and oxenstored, for comparison",
  lane: 'network',
  needs: [],
  newest: true,
  // Has the libraries that they load.
  packages: ['libxen-dev'],
  inputs: async () => ({ recipe: await digestFile(import.meta.filename) }),
  async build(job) {
    const apt = await openApt(job);
    const folder = join(job.scratchDir, 'package');
    const versions = await apt.packageVersions(PACKAGE);
    const fetched = await fetchNewest(job, PACKAGE, versions, folder, (version, into) =>
      apt.downloadPackage(PACKAGE, version, into),
    );
    const files = join(job.scratchDir, 'files');
    await job.run(['sh', '-c', 'dpkg-deb --extract "$1"/*.deb "$2"', 'extract', folder, files]);
    for (const name of DAEMONS) await job.run(['cp', join(files, 'usr/lib/xen-4.17/bin', name), job.outDir]);
    return fetched;
  },
};
