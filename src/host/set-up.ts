/** Makes what one host has of its own: keys, disk, and the configuration archive that is handed to Toolstack. Existing files stay. */
import { execFile } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CpioEntry, writeCpio } from '../image/cpio.ts';
import type { HostDirectory } from './host-directory.ts';

const run = promisify(execFile);

/** What only this host's archive holds; everything else of an image is the same on every host. */
const RESTRICTIONS = 'restrict,no-port-forwarding,no-agent-forwarding,no-X11-forwarding';

export async function setUpHost(
  directory: HostDirectory,
  images: { bootstrapper: string; disk: string },
): Promise<void> {
  await mkdir(directory.path, { recursive: true, mode: 0o700 });
  await makeKeys(directory);
  if (!existsSync(directory.disk))
    await atomically(directory.disk, (to) => run('cp', ['--sparse=always', images.disk, to]));
  await writeInitrd(directory, images.bootstrapper);
}

async function makeKeys(directory: HostDirectory): Promise<void> {
  if (!existsSync(directory.identity)) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ennead-operator', '-f', directory.identity]);
  }
  if (!existsSync(directory.sshHostKey)) {
    await run('dropbearkey', ['-t', 'ed25519', '-f', directory.sshHostKey]);
    await chmod(directory.sshHostKey, 0o600);
  }
}

/** The host's public key as `known_hosts` wants it; the address is the loopback port of this start. */
export async function writeKnownHosts(directory: HostDirectory, sshPort: number): Promise<void> {
  const { stdout } = await run('dropbearkey', ['-y', '-f', directory.sshHostKey]);
  const key = /^ssh-ed25519 \S+/m.exec(stdout)?.[0];
  if (key === undefined)
    throw new Error(`${directory.sshHostKey} holds no ed25519 key: remove it and start the host again`);
  await writeFile(directory.knownHosts, `[127.0.0.1]:${sshPort} ${key}\n`);
}

/**
 * Bootstrapper's archive with this host's configuration behind it: the kernel unpacks concatenated archives in order.
 * The configuration travels inside `builder-host.cpio` as a file, because each VM passes it on without opening it.
 */
async function writeInitrd(directory: HostDirectory, bootstrapper: string): Promise<void> {
  const operator = (await readFile(`${directory.identity}.pub`, 'utf8')).trim();
  const config = writeCpio([
    {
      kind: 'file',
      path: 'etc/ennead/authorized_keys',
      mode: 0o600,
      bytes: Buffer.from(`${RESTRICTIONS} ${operator}\n`),
    },
    { kind: 'file', path: 'etc/ennead/ssh_host_key', mode: 0o600, bytes: await readFile(directory.sshHostKey) },
  ]);
  const forBuilder = writeCpio([
    { kind: 'file', path: 'images/host-config.cpio', mode: 0o600, bytes: config },
    ...(await guestImages(directory)),
  ]);
  const forBootstrapper = writeCpio([
    { kind: 'file', path: 'images/builder-host.cpio', mode: 0o600, bytes: forBuilder },
  ]);
  await atomically(directory.bootstrapperInitrd, async (to) => {
    await copyFile(bootstrapper, to, constants.COPYFILE_FICLONE);
    await writeFile(to, forBootstrapper, { flag: 'a' });
  });
}

const GUEST_IMAGE = /^[a-z0-9][a-z0-9.-]{0,58}\.(elf|cpio)$/;

async function guestImages(directory: HostDirectory): Promise<CpioEntry[]> {
  await mkdir(directory.guestImages, { recursive: true });
  const names = (await readdir(directory.guestImages)).sort();
  return Promise.all(
    names.map(async (name) => {
      if (!GUEST_IMAGE.test(name)) {
        throw new Error(
          `${join(directory.guestImages, name)}: a guest image is named NAME.elf (kernel) or NAME.cpio (ramdisk), in lower case`,
        );
      }
      return {
        kind: 'file',
        path: `images/guest/${name}`,
        mode: 0o600,
        bytes: await readFile(join(directory.guestImages, name)),
      } as const;
    }),
  );
}

async function atomically(path: string, make: (to: string) => Promise<unknown>): Promise<void> {
  const draft = `${path}.new`;
  await make(draft);
  await rename(draft, path);
}
