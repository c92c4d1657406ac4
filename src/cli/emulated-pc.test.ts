import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { furnish } from '../services/toolstack/testing/emulated-pc.ts';
import { SimulatedCli } from './testing/simulated-cli.ts';

const GUEST = `name = "pc"
type = "hvm"
memory = 128
disk = [ 'root,raw,hda,rw', ',raw,hdc,r,devtype=cdrom' ]
vif = [ 'model=e1000' ]
`;

let cli: SimulatedCli;
let folder: string;

beforeEach(async () => {
  cli = await SimulatedCli.start();
  furnish(cli.host);
  folder = await mkdtemp(join(tmpdir(), 'ennead-pc-'));
});
afterEach(async () => {
  cli.stop();
  await rm(folder, { recursive: true });
});

async function create(...overrides: string[]) {
  const path = join(folder, 'pc.cfg');
  await writeFile(path, GUEST);
  return cli.run('create', path, ...overrides);
}

const asked = () => cli.host.qemu('pc').asked.slice(1);

test('create makes the pair, list shows both, destroy ends both', async () => {
  expect(await create()).toEqual({ code: 0, out: 'guest pc runs as domain 16\n', error: '' });
  const { out } = await cli.run('list');
  expect(out).toMatch(/^pc {39} +16 +128 /m);
  expect(out).toMatch(/^pc-dm {36} +17 +96 /m);
  expect((await cli.run('destroy', 'pc')).code).toBe(0);
  expect((await cli.run('list')).out).not.toContain('pc');
});

test('console shows the serial port, where there is one, else the paravirtual console', async () => {
  await create('serial=pty');
  const watched = cli.run('console', 'pc');
  await cli.type('dir\r');
  await cli.until(() => cli.host.qemu('pc').serialInput === 'dir\r');
  await cli.type('\x1d');
  expect((await watched).out).toBe('SeaBIOS\r\n');
  await cli.run('destroy', 'pc');
  await create();
  const other = cli.run('console', 'pc');
  await cli.type('ls\r');
  let heard = '';
  await cli.until(() => {
    heard += cli.host.guest('pc').console.readAll();
    return heard === 'ls\r';
  });
  await cli.type('\x1d');
  expect((await other).code).toBe(0);
});

test('trigger, button-press and reset press buttons; on_reboot says what follows a reset', async () => {
  await create();
  expect(await cli.run('trigger', 'pc', 'power')).toEqual({
    code: 0,
    out: 'the power button of pc is pressed\n',
    error: '',
  });
  expect((await cli.run('button-press', 'pc', 'power')).code).toBe(0);
  expect(cli.host.xen.domains.powerButtonPressed(16)).toBe(2);
  expect(await cli.run('trigger', '16', 'reset')).toEqual({ code: 0, out: 'guest 16 is reset\n', error: '' });
  await cli.until(() => cli.toolstack.guests.find('pc').record?.domid === 18);
  expect((await cli.run('reset', 'pc')).code).toBe(0);
  await cli.until(() => cli.toolstack.guests.find('pc').record?.domid === 20);
  expect((await cli.run('trigger', 'pc', 'nmi')).code).toBe(2);
  expect((await cli.run('reset', 'nobody')).code).toBe(5);
});

test('sysrq is sent to a system with Xen drivers, and to no other', async () => {
  await create();
  expect(await cli.run('sysrq', 'pc', 's')).toEqual({
    code: 9,
    out: '',
    error: 'ennead: the system of guest pc has no Xen drivers and cannot hear SysRq\n',
  });
  await cli.host.guest('pc').domain.xenstore.write('/local/domain/16/control/feature-poweroff', '1');
  expect(await cli.run('sysrq', 'pc', 's')).toEqual({ code: 0, out: 'SysRq s is sent to pc\n', error: '' });
  expect(cli.host.xen.xenstore.dump()['/local/domain/16/control/sysrq']).toBe('s');
  for (const key of ['', 'st', ' ', 'ß']) expect((await cli.run('sysrq', 'pc', key)).code).toBe(2);
});

test('cd-insert and cd-eject change media', async () => {
  await create();
  expect((await cli.run('cd-insert', 'pc', 'hdc', 'cd1')).out).toBe('volume cd1 is in drive hdc of pc\n');
  expect((await cli.run('cd-eject', 'pc', 'hdc')).out).toBe('drive hdc of pc is empty\n');
  expect(asked().map(({ params }) => params)).toEqual([
    { name: 'hdc', device: 'xvdb' },
    { name: 'hdc', device: null },
  ]);
  expect((await cli.run('cd-insert', 'pc', 'hdc', 'none')).code).toBe(8);
  expect((await cli.run('cd-insert', 'pc', 'xvda', 'cd1')).code).toBe(2);
  expect((await cli.run('cd-insert', 'pc', 'hdc', '../cd1')).code).toBe(2);
  expect((await cli.run('cd-eject', 'pc', 'hda')).code).toBe(7);
});

test('screenshot writes a new file, and none where there is no picture', async () => {
  await create();
  const path = join(folder, 'screen.png');
  const { shot } = cli.host.qemu('pc');
  const { code, out } = await cli.run('screenshot', 'pc', path, '--json');
  expect([code, JSON.parse(out)]).toEqual([0, { file: path, bytes: shot.length }]);
  expect(new Uint8Array(await readFile(path))).toEqual(shot);
  expect((await cli.run('screenshot', 'pc', path)).code).toBe(20);
  const other = join(folder, 'other.png');
  expect((await cli.run('screenshot', 'nobody', other)).code).toBe(5);
  await expect(stat(other)).rejects.toMatchObject({ code: 'ENOENT' });
});

/** A viewer, and what it is shown. */
async function viewer(port: number): Promise<{ socket: Socket; shown: () => string; closed: Promise<void> }> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, shown: () => text, closed };
}

async function serving(...options: string[]) {
  const ended = cli.run('vnc', 'pc', '--once', '--json', ...options);
  await cli.until(() => cli.out !== '');
  return { ended, address: JSON.parse(cli.out) as { address: string; port: number } };
}

test('vnc serves viewers on a port of this machine alone, each on a session of its own', async () => {
  await create();
  const { ended, address } = await serving();
  expect(address.address).toBe('127.0.0.1');
  const [one, other] = [await viewer(address.port), await viewer(address.port)];
  for (const { shown } of [one, other]) await cli.until(() => shown() === 'RFB 003.008\n');
  one.socket.write('hello');
  await cli.until(() => cli.host.qemu('pc').screenInput === 'hello');
  cli.host.qemu('pc').notify('screen.data', { session: 3, data: '\xff\x00' });
  const byOrder = () => [one, other].map(({ shown }) => shown());
  await cli.until(() => byOrder().some((text) => text === 'RFB 003.008\n\xff\x00'));
  one.socket.destroy();
  await cli.until(() => cli.host.qemu('pc').screensClosed.length === 2);
  expect((await ended).code).toBe(0);
  other.socket.destroy();
  await other.closed;
  await cli.until(() => cli.host.qemu('pc').screensClosed.length === 3);
});

test('vnc lets a viewer go when the guest does', async () => {
  await create();
  const { ended, address } = await serving();
  const { shown, closed } = await viewer(address.port);
  await cli.until(() => shown() === 'RFB 003.008\n');
  await cli.toolstack.guests.destroy('pc');
  await closed;
  expect((await ended).code).toBe(0);
});

test('vnc says at once what is wrong', async () => {
  await create('vga=none');
  expect(await cli.run('vnc', 'pc')).toMatchObject({ code: 9, out: '' });
  expect((await cli.run('vnc', 'nobody')).code).toBe(5);
  await cli.run('destroy', 'pc');
  await create();
  const taken = createServer();
  const port = await new Promise<number>((resolve) => {
    taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port));
  });
  const { code, error } = await cli.run('vnc', 'pc', '--port', String(port));
  expect([code, error]).toEqual([2, `ennead: port ${port} of 127.0.0.1 cannot be used (EADDRINUSE)\n`]);
  taken.close();
  expect((await cli.run('vnc', 'pc', '--port', '70000')).code).toBe(2);
});
