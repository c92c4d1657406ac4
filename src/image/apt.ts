/**
 * Downloads from Debian's archive through apt, which verifies every file against the archive's signatures. All of apt's
 * state is private: neither the machine's lists nor its settings are touched.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DerivedRelease, derivePrivateSources, readAptSources } from './apt-sources.ts';
import { digestFile } from './digest.ts';
import type { Job, Material } from './step.ts';

/** The release that QuickJS comes from: Debian 12's is too old. */
const QUICKJS_RELEASE = 'trixie';

export interface Apt {
  /** Newest first, as the lists say; not every one of them can be had. */
  sourceVersions(name: string): Promise<string[]>;
  packageVersions(name: string): Promise<string[]>;
  /** Downloads a source package's files (.dsc, tarballs) into `dir`. */
  downloadSource(name: string, version: string, dir: string): Promise<void>;
  downloadPackage(name: string, version: string, dir: string): Promise<void>;
  /** Downloads the newest version with everything that it depends on, whatever this machine has installed. */
  downloadWithDependencies(name: string, dir: string): Promise<void>;
}

/** Makes the private lists and updates them; once per build, however many steps ask. */
export async function openApt(job: Job): Promise<Apt> {
  const options = await preparedOptions(job);
  const list = async (command: readonly string[], field: string): Promise<string[]> => {
    const text = await job.capture([command[0]!, ...options, ...command.slice(1)]);
    const versions = [...text.matchAll(new RegExp(`^${field}: (\\S+)`, 'gm'))].map((match) => match[1]!);
    return sortVersions(job, [...new Set(versions)]);
  };
  return {
    sourceVersions: (name) => list(['apt-cache', 'showsrc', '--only-source', name], 'Version'),
    packageVersions: (name) => list(['apt-cache', 'show', name], 'Version'),
    downloadSource: (name, version, dir) =>
      job.run(['apt-get', ...options, 'source', '--download-only', '--only-source', `${name}=${version}`], {
        cwd: dir,
      }),
    downloadPackage: (name, version, dir) =>
      job.run(['apt-get', ...options, 'download', `${name}=${version}`], { cwd: dir }),
    downloadWithDependencies: (name, dir) => job.run(['apt-get', ...options, ...elsewhere(dir), name]),
  };
}

/** An installation into a machine that has nothing, as far as its download. */
const elsewhere = (dir: string): readonly string[] => [
  '-oDir::State::status=/dev/null',
  `-oDir::Cache::archives=${dir}`,
  // Of this machine's own installation, which nobody touches.
  '-oDebug::NoLocking=1',
  ...['--yes', '--no-install-recommends', '--download-only', 'install'],
];

const updates = new Map<string, Promise<void>>();

async function preparedOptions(job: Job): Promise<readonly string[]> {
  const { aptDir } = job;
  const options = [
    '-oDir::Etc::sourcelist=/dev/null',
    `-oDir::Etc::sourceparts=${join(aptDir, 'sources')}`,
    `-oDir::State::Lists=${join(aptDir, 'lists')}`,
    `-oDir::Cache=${join(aptDir, 'cache')}`,
    '-oAcquire::Languages=none',
    '-oAcquire::Retries=2',
    // The folders belong to whoever builds, so apt's own user could not write there.
    ...(process.getuid?.() === 0 ? ['-oAPT::Sandbox::User=root'] : []),
  ];
  const update = updates.get(aptDir) ?? updateLists(job, options);
  updates.set(aptDir, update);
  await update.catch((cause) => {
    updates.delete(aptDir);
    throw cause;
  });
  return options;
}

async function updateLists(job: Job, options: readonly string[]): Promise<void> {
  for (const name of ['sources', 'lists/partial', 'cache/archives/partial']) {
    await mkdir(join(job.aptDir, name), { recursive: true });
  }
  const sources = await privateSources([
    { types: ['deb', 'deb-src'] },
    { types: ['deb-src'], otherRelease: QUICKJS_RELEASE },
  ]);
  await writeFile(join(job.aptDir, 'sources', 'ennead.sources'), sources);
  await job.run(['apt-get', ...options, 'update']);
}

/** The machine's archives of its own release, for other tools of Debian or for apt itself. */
export async function privateSources(wanted: readonly DerivedRelease[]): Promise<string> {
  const codename = await debianCodename();
  const text = derivePrivateSources(await readAptSources(), codename, wanted);
  if (text === '') throw new Error(`apt's configuration names no archive of Debian ${codename} (component main)`);
  return text;
}

export async function debianCodename(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(\S+)/m.exec(text)?.[1];
  if (codename === undefined) throw new Error('/etc/os-release names no Debian release');
  return codename;
}

/** Newest first, by Debian's own comparison. */
async function sortVersions(job: Job, versions: readonly string[]): Promise<string[]> {
  const sorted: string[] = [];
  for (const version of versions) {
    let place = 0;
    while (place < sorted.length && !(await isNewer(job, version, sorted[place]!))) place++;
    sorted.splice(place, 0, version);
  }
  return sorted;
}

async function isNewer(job: Job, version: string, than: string): Promise<boolean> {
  return job.run(['dpkg', '--compare-versions', version, 'gt', than]).then(
    () => true,
    () => false,
  );
}

export interface Fetched {
  readonly version: string;
  readonly materials: readonly Material[];
}

/**
 * The newest version that the archive really serves. Its lists may be ahead of its files: then an older one is taken,
 * and the log says so. `download` fills an empty `dir`.
 */
export async function fetchNewest(
  job: Job,
  name: string,
  versions: readonly string[],
  dir: string,
  download: (version: string, dir: string) => Promise<void>,
): Promise<Fetched> {
  for (const version of versions) {
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
    try {
      await download(version, dir);
    } catch (cause) {
      job.log(`${name} ${version} is listed but cannot be fetched (${(cause as Error).message}); trying an older one`);
      continue;
    }
    return { version, materials: await materialsIn(dir, version) };
  }
  const tried = versions.length === 0 ? 'the lists name no suitable version' : `tried ${versions.join(', ')}`;
  throw new Error(`${name} cannot be fetched from Debian's archive: ${tried}`);
}

/** Downloaded packages, by the names that apt gives their files: `name_version_architecture.deb`. */
export async function packagesIn(dir: string): Promise<Material[]> {
  const files = (await readdir(dir)).filter((file) => file.endsWith('.deb')).sort();
  return Promise.all(
    files.map(async (file) => {
      const [name, version] = file.split('_').map(decodeURIComponent);
      if (!name || !version) throw new Error(`apt has downloaded ${file}, whose name tells no version`);
      return { name, version, sha256: await digestFile(join(dir, file)) };
    }),
  );
}

async function materialsIn(dir: string, version: string): Promise<Material[]> {
  const names = (await readdir(dir)).sort();
  return Promise.all(names.map(async (name) => ({ name, version, sha256: await digestFile(join(dir, name)) })));
}
