/** For tests: a Debian of its own on PATH, with dpkg's list, apt-get, and a sudo that agrees to everything. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

export class FakeDebian {
  private constructor(readonly folder: string) {}

  /** `installed`: package names with versions. */
  static async create(...installed: string[]): Promise<FakeDebian> {
    const debian = new FakeDebian(await mkdtemp(join(tmpdir(), 'ennead-debian-')));
    const at = (name: string): string => join(debian.folder, name);
    await mkdir(at('bin'));
    await writeFile(at('installed'), installed.map((row) => `installed ${row}\n`).join(''));
    await writeFile(at('asked'), '');
    await debian.program('dpkg-query', `cat ${at('installed')}`);
    await debian.program('sudo', 'shift; exec "$@"');
    await debian.program('apt-get', `echo "$@" >> ${at('asked')}\n${installAsVersion1(at('installed'))}`);
    vi.stubEnv('PATH', `${at('bin')}:${process.env.PATH}`);
    return debian;
  }

  async program(name: string, body: string): Promise<void> {
    const path = join(this.folder, 'bin', name);
    await writeFile(path, `#!/bin/sh\n${body}\n`);
    await chmod(path, 0o755);
  }

  /** The command lines that apt-get was given. */
  async asked(): Promise<string[]> {
    return (await readFile(join(this.folder, 'asked'), 'utf8')).split('\n').slice(0, -1);
  }

  async remove(): Promise<void> {
    vi.unstubAllEnvs();
    await rm(this.folder, { recursive: true });
  }
}

const installAsVersion1 = (list: string): string => `[ $1 = install ] || exit 0
shift 3
for name; do echo installed $name 1 >> ${list}; done`;
