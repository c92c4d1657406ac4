/** Debian packages on this machine: which are there, in which version, and how the missing ones get installed. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CommandLog, lastLines, runCommand } from './command.ts';
import type { Progress } from './progress.ts';
import { type RootAccess, rootAccess } from './root-access.ts';
import { StepError } from './step.ts';

/** What the virtual host and the operator's command run, beside what each build step names itself. */
export const HOST_PACKAGES = ['qemu-system-x86', 'seabios', 'ipxe-qemu', 'openssh-client', 'util-linux'] as const;

/** The compiler's plain name. What it compiles is keyed by the package behind it, which steps name themselves. */
export const COMPILER_PACKAGES = ['gcc'] as const;

/** Only tests use these: sanitizers and separate implementations to compare with. */
export const TEST_PACKAGES = ['busybox-static', 'clang', 'cpio', 'libclang-rt-dev', 'xenstore-utils'] as const;

export class MissingPackagesError extends Error {
  override readonly name = 'MissingPackagesError';

  constructor(packages: readonly string[], why: string) {
    super(
      `Debian packages are missing and cannot be installed: ${why}. ` +
        `As root, run: apt-get install --no-install-recommends ${packages.join(' ')}`,
    );
  }
}

/** Installed versions, by package name without architecture. */
export interface Toolbox {
  /** One text for all of them: an input of whatever they build. */
  versionsOf(packages: readonly string[]): string;
}

export async function installedVersions(): Promise<ReadonlyMap<string, string>> {
  const fields = ['db:Status-Status', 'Package', 'Version'].map((field) => `\${${field}}`);
  const format = ['-W', '-f', `${fields.join(' ')}\\n`];
  const { stdout } = await promisify(execFile)('dpkg-query', format, { maxBuffer: 64 << 20 });
  return parseInstalled(stdout);
}

export function parseInstalled(text: string): ReadonlyMap<string, string> {
  const rows = text.split('\n').map((line) => line.split(' '));
  return new Map(rows.filter(([status]) => status === 'installed').map(([, name, version]) => [name!, version!]));
}

export function toolboxOf(versions: ReadonlyMap<string, string>): Toolbox {
  return {
    versionsOf: (packages) =>
      [...packages]
        .sort()
        .map((name) => `${name}=${versions.get(name) ?? 'missing'}`)
        .join(' '),
  };
}

/** Names the work in what is shown, and its log. */
export const PACKAGES_TASK = 'packages';

/** Installs what is missing of `wanted`. @throws MissingPackagesError when it may not, StepError when apt fails */
export async function ensurePackages(
  wanted: readonly string[],
  logPath: string,
  progress: Pick<Progress, 'note' | 'started' | 'ended'>,
): Promise<Toolbox> {
  const versions = await installedVersions();
  const missing = [...new Set(wanted)].filter((name) => !versions.has(name)).sort();
  if (missing.length === 0) return toolboxOf(versions);
  // Said before sudo asks for a password, as the reason for it.
  progress.note(`Debian packages to install: ${missing.join(' ')}`);
  const access = await rootAccess();
  if (typeof access === 'string') throw new MissingPackagesError(missing, access);
  progress.started(PACKAGES_TASK);
  try {
    await install(missing, access, logPath);
  } catch (cause) {
    progress.ended(PACKAGES_TASK, 'failed');
    throw new StepError(PACKAGES_TASK, logPath, await lastLines(logPath), cause);
  }
  progress.ended(PACKAGES_TASK, 'done');
  return toolboxOf(await installedVersions());
}

async function install(packages: readonly string[], { prefix, asks }: RootAccess, logPath: string): Promise<void> {
  const log = new CommandLog(logPath);
  const aptGet = (...args: string[]): Promise<string> => {
    const argv = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    return runCommand(argv, log, new AbortController().signal, { keepsTerminal: asks });
  };
  try {
    await aptGet('update');
    await aptGet('install', '--yes', '--no-install-recommends', ...packages);
  } finally {
    await log.close();
  }
}
