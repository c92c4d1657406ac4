/** What we compile, from Debian's archive. */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Apt, type Fetched, fetchNewest, openApt } from '../apt.ts';
import type { Job, Step } from '../step.ts';

/** The Xen series that libxen-dev of Debian 12 speaks the control interface of. */
const XEN_SERIES = '4.17';
const LINUX_SERIES = '6.1';

function sourceStep(name: string, summary: string, fetch: (job: Job, apt: Apt, dir: string) => Promise<Fetched>): Step {
  return {
    name: `${name}-source`,
    summary,
    lane: 'network',
    needs: [],
    newest: true,
    packages: [],
    inputs: async () => ({ summary }),
    async build(job) {
      const dir = join(job.scratchDir, 'files');
      const fetched = await fetch(job, await openApt(job), dir);
      await rename(dir, join(job.outDir, 'files'));
      return fetched;
    },
  };
}

const sourcePackage =
  (name: string, accepts: (version: string) => boolean) =>
  async (job: Job, apt: Apt, dir: string): Promise<Fetched> => {
    const versions = (await apt.sourceVersions(name)).filter(accepts);
    return fetchNewest(job, name, versions, dir, (version, into) => apt.downloadSource(name, version, into));
  };

export const xenSource = sourceStep(
  'xen',
  `Xen ${XEN_SERIES}, Debian's source package`,
  sourcePackage('xen', (version) => version.startsWith(`${XEN_SERIES}.`)),
);

export const quickjsSource = sourceStep(
  'quickjs',
  "QuickJS, Debian's source package",
  sourcePackage('quickjs', () => true),
);

export const linuxSource = sourceStep(
  'linux',
  `Linux ${LINUX_SERIES}, Debian's patched source`,
  async (job, apt, dir) => {
    const name = `linux-source-${LINUX_SERIES}`;
    const versions = await apt.packageVersions(name);
    return fetchNewest(job, name, versions, dir, (version, into) => apt.downloadPackage(name, version, into));
  },
);

/** Unpacks a source package, with Debian's patches, into `dir`, which must not exist. apt has verified its files. */
export async function unpackSourcePackage(job: Job, source: Step, dir: string): Promise<void> {
  const { files, path } = job.artifact(source);
  const dsc = Object.keys(files).find((file) => file.endsWith('.dsc'));
  if (dsc === undefined) throw new Error(`${source.name} holds no .dsc`);
  await job.run(['dpkg-source', '--no-check', '--extract', path(dsc), dir]);
}
