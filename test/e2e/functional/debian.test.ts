import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listImages } from '../../../src/image/build.ts';
import { GuestConsole } from '../console.ts';
import { ennead, enneadJson, tryEnnead } from '../ennead.ts';

const GUEST_FILE = join(import.meta.dirname, '..', '..', '..', 'examples', 'debian.cfg');
const LOGIN_TIMEOUT_MS = 300_000;
const COMMAND_TIMEOUT_MS = 60_000;
/** The command line as bash echoes it, with the brackets that switch pasting on and off, and the prompt after its output. */
const PROMPT = /root@guest:~# /;

async function guestDisk(): Promise<string> {
  const disk = (await listImages()).find(({ name }) => name === 'guest-disk');
  if (!disk?.path) throw new Error('the example guest’s disk is not built');
  return disk.path;
}

interface Row {
  name: string;
  vcpus: number;
}

const rowOf = async (name: string): Promise<Row | undefined> =>
  ((await enneadJson('list')) as Row[]).find((row) => row.name === name);

/** Already gone when all tests have passed. */
async function destroyIfThere(name: string): Promise<void> {
  if (await rowOf(name)) await ennead('destroy', name);
}

async function toItsPrompt(): Promise<GuestConsole> {
  const console = new GuestConsole('debian');
  await console.expect(/login: $/, LOGIN_TIMEOUT_MS);
  return console;
}

beforeAll(async () => {
  await ennead('volume', 'import', 'debian', await guestDisk());
});

afterAll(async () => {
  await ennead('volume', 'delete', 'debian');
});

describe('the Debian guest of the examples', () => {
  let console: GuestConsole;

  beforeAll(async () => {
    await ennead('create', GUEST_FILE);
    console = await toItsPrompt();
  });

  afterAll(async () => {
    await console.close();
    await destroyIfThere('debian');
  });

  it('lets root log in on its console', async () => {
    console.send('root');
    await console.expect(/Password: ?$/, COMMAND_TIMEOUT_MS);
    console.send('ennead');
    await console.expect(PROMPT, COMMAND_TIMEOUT_MS);
  });

  it('runs Debian’s own kernel, which PV GRUB took from its disk', async () => {
    expect(await console.command('uname -rv', PROMPT, COMMAND_TIMEOUT_MS)).toMatch(/-amd64 #1 SMP .*Debian 6\./);
    expect(await readFile(GUEST_FILE, 'utf8')).toContain('kernel = "pvgrub"');
  });

  it('has an address from DHCP', async () => {
    expect(await console.command('ip -4 addr show eth0', PROMPT, COMMAND_TIMEOUT_MS)).toMatch(/inet 10\.0\.2\.\d+\/24/);
  });

  it('shuts down when it is asked to, and is gone', async () => {
    expect(await tryEnnead('shutdown', '--wait', 'debian')).toMatchObject({ status: 0 });
    expect(await rowOf('debian')).toBeUndefined();
  });
});

describe('the Debian guest with two processors', () => {
  afterAll(() => destroyIfThere('debian'));

  it('runs on both', async () => {
    await ennead('create', GUEST_FILE, 'vcpus=2');
    const console = await toItsPrompt();
    await console.close();
    // Xen counts those that the guest's own system has started.
    expect(await rowOf('debian')).toMatchObject({ vcpus: 2 });
  });
});
