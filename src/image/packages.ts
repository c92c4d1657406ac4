/** Debian packages on this machine: which are there, in which version, and how the missing ones get installed. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type CommandLog, runCommand } from './command.ts';

/** What the virtual host and the operator's command run, beside what each build step names itself. */
export const HOST_PACKAGES = ['qemu-system-x86', 'seabios', 'ipxe-qemu', 'openssh-client', 'util-linux'] as const;

/** The compiler's plain name. What it compiles is keyed by the package behind it, which steps name themselves. */
export const COMPILER_PACKAGES = ['gcc'] as const;

/** Only tests use these: sanitizers and separate implementations to compare with. */
export const TEST_PACKAGES = ['busybox-static', 'clang', 'cpio'] as const;

export class MissingPackagesError extends Error {
  override readonly name = 'MissingPackagesError';
  readonly packages: readonly string[];

  constructor(packages: readonly string[]) {
    super(
      `Debian packages are missing, and neither root nor sudo is at hand to install them. As root, run:\n` +
        `  apt-get install --no-install-recommends ${packages.join(' ')}`,
    );
    this.packages = packages;
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

/** Installs what is missing of `wanted`. @throws MissingPackagesError when it may not. */
export async function ensurePackages(
  wanted: readonly string[],
  log: CommandLog,
  onInstall: (missing: readonly string[]) => void,
): Promise<Toolbox> {
  const { signal } = new AbortController();
  const versions = await installedVersions();
  const missing = [...new Set(wanted)].filter((name) => !versions.has(name)).sort();
  if (missing.length === 0) return toolboxOf(versions);
  const asRoot = await rootPrefix();
  if (!asRoot) throw new MissingPackagesError(missing);
  onInstall(missing);
  await runCommand([...asRoot, 'apt-get', 'update'], log, signal);
  const install = ['apt-get', 'install', '--yes', '--no-install-recommends', ...missing];
  await runCommand([...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', ...install], log, signal);
  return toolboxOf(await installedVersions());
}

/** How to become root without a question: nothing to do, sudo, or undefined. */
async function rootPrefix(): Promise<readonly string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  const sudo = ['sudo', '-n'];
  return promisify(execFile)('sudo', ['-n', 'true']).then(
    () => sudo,
    () => undefined,
  );
}
