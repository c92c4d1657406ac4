/** Debian's two XenStore servers, from their package and without installing that. */
import { join } from 'node:path';
import { type Fetched, fetchNewest, openApt } from '../../src/image/apt.ts';
import { digestFile } from '../../src/image/digest.ts';
import type { Job, Step } from '../../src/image/step.ts';

const DAEMONS_FOLDER = 'usr/lib/xen-4.17/bin';
/** Packages, and what is taken from them. oxenstored does not start without its configuration. */
const WANTED = {
  'xen-utils-4.17': [`${DAEMONS_FOLDER}/xenstored`, `${DAEMONS_FOLDER}/oxenstored`],
  'xen-utils-common': ['etc/xen/oxenstored.conf'],
} as const;

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
    const fetched: Fetched[] = [];
    for (const [name, files] of Object.entries(WANTED)) fetched.push(await takeFrom(job, name, files));
    return { version: fetched[0]!.version, materials: fetched.flatMap(({ materials }) => materials) };
  },
};

async function takeFrom(job: Job, name: string, files: readonly string[]): Promise<Fetched> {
  const apt = await openApt(job);
  const folder = join(job.scratchDir, name);
  const unpacked = join(job.scratchDir, `${name}-unpacked`);
  const fetched = await fetchNewest(job, name, await apt.packageVersions(name), folder, (version, into) =>
    apt.downloadPackage(name, version, into),
  );
  await job.run(['sh', '-c', 'dpkg-deb --extract "$1"/*.deb "$2"', 'extract', folder, unpacked]);
  for (const file of files) await job.run(['cp', join(unpacked, file), job.outDir]);
  return fetched;
}
