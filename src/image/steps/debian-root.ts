/** The root folder of a small Debian, installed from the archive without being root. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debianCodename, privateSources } from '../apt.ts';
import { digestFile } from '../digest.ts';
import type { Job } from '../step.ts';

/** Debian packages that a step of such a system needs on the machine that builds. */
export const DEBIAN_ROOT_PACKAGES = ['fakeroot', 'mmdebstrap', 'uidmap'];
/** An input of every system made here. */
export const debianRootRecipe = (): Promise<string> => digestFile(import.meta.filename);

export interface DebianRoot {
  readonly packages: readonly string[];
  /** dpkg's patterns: files that are not unpacked, and those that are all the same. */
  readonly leftOut: readonly string[];
  readonly kept: readonly string[];
  /** mmdebstrap's commands for when all packages are installed. */
  readonly hooks: readonly string[];
}

export interface Installed {
  readonly codename: string;
  readonly root: string;
  /** fakeroot's memory of owners and device nodes that only root could make. */
  readonly ownersFile: string;
}

export async function installDebian(job: Job, { packages, leftOut, kept, hooks }: DebianRoot): Promise<Installed> {
  const codename = await debianCodename();
  const sources = join(job.scratchDir, 'debian.sources');
  await writeFile(sources, await privateSources([{ types: ['deb'] }]));
  const archive = join(job.scratchDir, 'root.tar');
  await job.run([
    'mmdebstrap',
    '--variant=minbase',
    `--include=${packages.join(',')}`,
    ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...kept.map((path) => `--dpkgopt=path-include=${path}`),
    '--aptopt=APT::Install-Recommends "false"',
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    codename,
    archive,
    sources,
  ]);
  const root = join(job.scratchDir, 'root');
  const ownersFile = join(job.scratchDir, 'owners');
  await mkdir(root);
  await job.run(['fakeroot', '-s', ownersFile, '--', 'tar', '--extract', '--file', archive, '--directory', root]);
  return { codename, root, ownersFile };
}
