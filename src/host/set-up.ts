/** Makes what one host has of its own: keys, disk, and the configuration archive that is handed to Toolstack. Existing keys and disk stay. */
import { execFile } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CpioEntry, writeCpio } from '../image/cpio.ts';
import { atomically } from './draft.ts';
import type { HostDirectory } from './host-directory.ts';
import { HostError } from './host-error.ts';

const run = promisify(execFile);

/** What only this host's archive holds; everything else of an image is the same on every host. */
const RESTRICTIONS = 'restrict,no-port-forwarding,no-agent-forwarding,no-X11-forwarding';

export interface SetUpImages {
  readonly bootstrapper: string;
  readonly disk: string;
}

/** `sshPort`: the loopback port of this start. @throws HostError */
export async function setUpHost(directory: HostDirectory, images: SetUpImages, sshPort: number): Promise<void> {
  try {
    await mkdir(directory.path, { recursive: true, mode: 0o700 });
    await makeKeys(directory);
    await makeDisk(directory, images.disk);
    await writeInitrd(directory, images.bootstrapper);
    await writeKnownHosts(directory, sshPort);
  } catch (cause) {
    throw new HostError('set-up-failed', `the virtual host in ${directory.path} cannot be set up: ${reasonOf(cause)}`);
  }
}

/** A program that failed says why in its last line. */
function reasonOf(cause: unknown): string {
  const { stderr, message } = cause as { stderr?: string; message: string };
  return stderr?.trim().split('\n').at(-1) || message;
}

/** Sparse: of its gigabytes only what is written takes room. */
async function makeDisk(directory: HostDirectory, image: string): Promise<void> {
  if (existsSync(directory.disk)) return;
  await atomically(directory.disk, (draft) => run('cp', ['--sparse=always', image, draft]));
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

/** The host's public key as `known_hosts` wants it. */
async function writeKnownHosts(directory: HostDirectory, sshPort: number): Promise<void> {
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
