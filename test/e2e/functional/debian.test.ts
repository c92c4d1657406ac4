import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestConsole } from '../console.ts';
import { ennead, type Ran, rowOf, tryEnnead } from '../ennead.ts';
import { expectDownloadUnchanged, expectFsyncedFileBack } from '../guest-checks.ts';
import { newHostFolder, takeDown } from '../test-host.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const GUEST_FILE = join(ROOT, 'examples', 'debian.cfg');
const PVH_FILE = join(ROOT, 'examples', 'pvh.cfg');
const LOGIN_TIMEOUT_MS = 300_000;
const COMMAND_TIMEOUT_MS = 60_000;
/** The command line as bash echoes it, with the brackets that switch pasting on and off, and the prompt after its output. */
const PROMPT = /root@guest:~# /;

/** npm's own programs, as a newcomer types them. The images may have to be built first. */
function npm(command: 'start' | 'stop'): Promise<Ran> {
  return new Promise((resolve) => {
    execFile('npm', [command], { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
    });
  });
}

async function toItsPrompt(name: string): Promise<GuestConsole> {
  const console = new GuestConsole(name);
  await console.expect(/login: $/, LOGIN_TIMEOUT_MS);
  return console;
}

async function logIn(console: GuestConsole): Promise<void> {
  console.send('root');
  await console.expect(/Password: ?$/, COMMAND_TIMEOUT_MS);
  console.send('ennead');
  await console.expect(PROMPT, COMMAND_TIMEOUT_MS);
}

let host: string;
let started: Ran;

beforeAll(async () => {
  host = await newHostFolder();
  started = await npm('start');
});

afterAll(() => takeDown(host, () => npm('stop')));

describe('npm start', () => {
  it('brings a new host and the example guest up, and says how long it took and what to try next', () => {
    expect(started.status, started.stderr).toBe(0);
    expect(started.stdout).toMatch(/host up in .*, guest debian at its login prompt .* after create/);
    expect(started.stdout).toMatch(/npx ennead console debian/);
  });

  it('leaves alone what runs', async () => {
    const again = await npm('start');
    expect(again).toMatchObject({ status: 0 });
    expect(again.stdout).toMatch(/run already; nothing to do/);
  });
});

describe('the Debian guest of the examples', () => {
  let console: GuestConsole;

  beforeAll(async () => {
    console = await toItsPrompt('debian');
  });

  afterAll(() => console.close());

  it('lets root log in on its console', () => logIn(console));

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

describe('the same Debian as a guest of type pvh, with two processors', () => {
  let console: GuestConsole;
  const inGuest = (command: string): Promise<string> => console.command(command, PROMPT, COMMAND_TIMEOUT_MS);

  beforeAll(async () => {
    await ennead('create', PVH_FILE, 'vcpus=2');
    console = await toItsPrompt('pvh');
    await logIn(console);
    // bash would scroll longer lines sideways.
    await inGuest('stty columns 250');
  });

  afterAll(() => console.close());

  it('runs on both, in hardware’s page tables, and has no Qemu VM', async () => {
    expect(await inGuest('cat /sys/hypervisor/guest_type; uname -v')).toMatch(/PVH\s+#1 SMP .*Debian 6\./);
    expect(await rowOf('pvh')).toMatchObject({ vcpus: 2 });
    expect(await rowOf('pvh-dm')).toBeUndefined();
  });

  it('reads back from its disk what it wrote with fsync', () => expectFsyncedFileBack(inGuest));

  it('fetches over HTTP from outside the host, unchanged, with its address from DHCP', () =>
    expectDownloadUnchanged(inGuest));

  it('shuts down when it is asked to, and is gone', async () => {
    expect(await tryEnnead('shutdown', '--wait', 'pvh')).toMatchObject({ status: 0 });
    expect(await rowOf('pvh')).toBeUndefined();
  });
});

describe('the Debian guest with two processors', () => {
  it('runs on both, until the host takes it down', async () => {
    await ennead('create', GUEST_FILE, 'vcpus=2');
    const console = await toItsPrompt('debian');
    await console.close();
    // Xen counts those that the guest's own system has started.
    expect(await rowOf('debian')).toMatchObject({ vcpus: 2 });
  });
});
