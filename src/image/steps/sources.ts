/** What we compile or unpack, from Debian's archive. */
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Apt, type Fetched, fetchNewest, openApt, packagesIn } from '../apt.ts';
import type { Job, Step } from '../step.ts';

/** The Xen series that libxen-dev of Debian 12 speaks the control interface of. */
const XEN_SERIES = '4.17';
const LINUX_SERIES = '6.1';

type Fetch = (job: Job, apt: Apt, dir: string) => Promise<Fetched>;

export function fetchStep(name: string, summary: string, fetch: Fetch): Step {
  return {
    name,
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
  (name: string, accepts: (version: string) => boolean): Fetch =>
  async (job, apt, dir) => {
    const versions = (await apt.sourceVersions(name)).filter(accepts);
    return fetchNewest(job, name, versions, dir, (version, into) => apt.downloadSource(name, version, into));
  };

export const xenSource = fetchStep(
  'xen-source',
  `Xen ${XEN_SERIES}, Debian's source package`,
  sourcePackage('xen', (version) => version.startsWith(`${XEN_SERIES}.`)),
);

export const quickjsSource = fetchStep(
  'quickjs-source',
  "QuickJS, Debian's source package",
  sourcePackage('quickjs', () => true),
);

export const binaryPackage =
  (name: string): Fetch =>
  async (job, apt, dir) => {
    const versions = await apt.packageVersions(name);
    return fetchNewest(job, name, versions, dir, (version, into) => apt.downloadPackage(name, version, into));
  };

export const linuxSource = fetchStep(
  'linux-source',
  `Linux ${LINUX_SERIES}, Debian's patched source`,
  binaryPackage(`linux-source-${LINUX_SERIES}`),
);

/** Has hvmloader. What it depends on, a whole control VM, is not wanted. */
export const xenTools = fetchStep(
  'xen-tools',
  `Xen ${XEN_SERIES}'s tools, Debian's package`,
  binaryPackage(`xen-utils-${XEN_SERIES}`),
);

const QEMU = 'qemu-system-xen';

export const qemuPackages = fetchStep(
  'qemu-packages',
  "QEMU for Xen, Debian's package, and those that it depends on",
  async (_job, apt, dir) => {
    await mkdir(join(dir, 'partial'), { recursive: true });
    await apt.downloadWithDependencies(QEMU, dir);
    await rm(join(dir, 'partial'), { recursive: true });
    await rm(join(dir, 'lock'), { force: true });
    const materials = await packagesIn(dir);
    return { version: materials.find(({ name }) => name === QEMU)!.version, materials };
  },
);

/** Unpacks a source package, with Debian's patches, into `dir`, which must not exist. apt has verified its files. */
export async function unpackSourcePackage(job: Job, source: Step, dir: string): Promise<void> {
  const { files, path } = job.artifact(source);
  const dsc = Object.keys(files).find((file) => file.endsWith('.dsc'));
  if (dsc === undefined) throw new Error(`${source.name} holds no .dsc`);
  await job.run(['dpkg-source', '--no-check', '--extract', path(dsc), dir]);
}
