import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FakeGuest } from '../../services/toolstack/testing/fake-builder.ts';
import { SimulatedCli } from '../testing/simulated-cli.ts';
import { bringUp } from './bring-up.ts';

const GUEST = `name = "web"
memory = 128
disk = [ 'root,raw,xvda,rw' ]
`;
const DISK_BYTES = 4096;
const SOON_MS = 500;

let cli: SimulatedCli;
let folder: string;
let guestFile: string;
/** What was done to the machine, in order. */
let deeds: string[];

beforeEach(async () => {
  cli = await SimulatedCli.start();
  folder = await mkdtemp(join(tmpdir(), 'ennead-up-'));
  guestFile = join(folder, 'web.cfg');
  await writeFile(guestFile, GUEST);
  const guestDisk = join(folder, 'guest.raw');
  await writeFile(guestDisk, new Uint8Array(DISK_BYTES).fill(7));
  cli.images = { ...cli.images, guestDisk };
  cli.host.builder.boot = showsLogin;
  cli.boot = async (images, _choices, say) => {
    deeds.push(`boot with ${images.disk}`);
    say('(d5) ennead[toolstack]: ready');
    cli.startHost();
    return cli.status();
  };
  deeds = [];
});
afterEach(async () => {
  cli.stop();
  await rm(folder, { recursive: true });
});

const showsLogin = ({ console }: FakeGuest): void => void console.print('Debian\r\nweb login: ');

function up(loginTimeoutMs?: number): Promise<void> {
  const { host } = cli.environment;
  const build = () => {
    deeds.push('build');
    return host.build();
  };
  cli.out = '';
  cli.error = '';
  return bringUp({ ...cli.environment, host: { ...host, build }, guestFile }, loginTimeoutMs);
}

const guests = (): string[] => cli.toolstack.guests.all().map(({ name }) => name);

test('a fresh host comes up with the example guest on its disk, and nothing is imported', async () => {
  cli.stopHost();
  cli.host.backEnds.volumes.set('root', new Uint8Array(DISK_BYTES));
  await up();
  expect(deeds).toEqual(['build', 'boot with /images/example-disk.raw']);
  expect(cli.error.replaceAll(/^ +\d+\.\d s {2}/gm, '')).toBe(
    'the host boots\ntoolstack: ready\nguest web is made and boots\nguest web shows its login prompt\n',
  );
  expect(cli.out).toMatch(/^\nhost up in \S+ s, guest web at its login prompt \S+ s after create; \S+ s in all\.\n/);
  expect(cli.out).toMatch(/web +16 +128/);
  expect(cli.out).toContain('npx ennead console web');
});

test('a host that runs without the volume gets it over the network', async () => {
  await up();
  expect(deeds).toEqual(['build']);
  expect(cli.error).toContain('volume root is imported');
  expect(cli.out).toMatch(/^\ndisk imported in \S+ s, guest web at its login prompt/);
  expect(cli.host.backEnds.volumes.get('root')).toEqual(new Uint8Array(DISK_BYTES).fill(7));
});

test('a second start says that there is nothing to do, and does nothing', async () => {
  await up();
  deeds = [];
  await up();
  expect(deeds).toEqual([]);
  expect(cli.error).toBe('');
  expect(cli.out).toMatch(/^\nThe host and guest web run already; nothing to do\.\n/);
});

test('a guest that never shows a login is taken away again; its volume stays', async () => {
  cli.host.builder.boot = ({ console }) => void console.print('waiting for the network\r\n');
  await expect(up(SOON_MS)).rejects.toMatchObject({
    code: 'guest-timeout',
    message: expect.stringContaining('waiting for the network'),
  });
  expect(guests()).toEqual([]);
  expect([...cli.host.backEnds.volumes.keys()]).toEqual(['root']);
  expect(cli.out).toBe('');
});
