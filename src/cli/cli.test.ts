import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StoreQuota } from '../contracts/toolstack.ts';
import { guestLimits } from '../contracts/xenstore-limits.ts';
import { setXenstoreQuota, xenstoreQuota } from '../services/toolstack/xenstore-quota.ts';
import { SimulatedCli } from './testing/simulated-cli.ts';

let cli: SimulatedCli;
let folder: string;

beforeEach(async () => {
  cli = await SimulatedCli.start();
  folder = await mkdtemp(join(tmpdir(), 'ennead-cli-'));
});
afterEach(async () => {
  cli.stop();
  await rm(folder, { recursive: true });
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const GUEST = `name = "web"
memory = 128
disk = [ 'root,raw,xvda,rw' ]
vif = [ 'mac=00:16:3e:00:00:01' ]
`;

async function webGuest(...overrides: string[]) {
  cli.host.backEnds.volumes.set('root', new Uint8Array(4096));
  return cli.run('create', await file('web.cfg', GUEST), ...overrides);
}

test('create, list, pause, unpause and destroy as xl shows them', async () => {
  expect(await webGuest()).toEqual({ code: 0, out: 'guest web runs as domain 16\n', error: '' });
  const { out } = await cli.run('list');
  expect(out.split('\n').at(0)).toBe('Name                                        ID   Mem VCPUs\tState\tTime(s)');
  expect(out).toContain('web                                         16   128     1     r-----       0.0\n');
  expect(out).toContain('builder                                      4    32     1     r-----       0.0\n');
  expect(await cli.run('pause', 'web')).toEqual({ code: 0, out: 'guest web is paused\n', error: '' });
  expect((await cli.run('list')).out).toContain('16   128     1     --p---');
  expect((await cli.run('unpause', '16')).code).toBe(0);
  expect(await cli.run('destroy', 'web')).toEqual({ code: 0, out: 'guest web is destroyed\n', error: '' });
  expect((await cli.run('list')).out).not.toContain('web');
});

test('list --json has exactly the promised fields', async () => {
  await webGuest('vcpus=2');
  const rows = JSON.parse((await cli.run('list', '--json')).out) as { name: string }[];
  expect(rows.find(({ name }) => name === 'web')).toEqual({
    name: 'web',
    domid: 16,
    memoryMib: 128,
    vcpus: 2,
    state: 'running',
    timeSeconds: 0,
  });
});

test('services, trust, info and dmesg, for people and for programs', async () => {
  await webGuest();
  const services = await cli.run('services');
  expect(services.out.split('\n').slice(0, 2)).toEqual([
    'Name          ID  Mem  State    Up since              Resets  Job',
    'builder       4   96   running  2024-01-01T00:00:00Z  0       is builder',
  ]);
  expect(JSON.parse((await cli.run('services', '--json')).out)).toContainEqual({
    name: 'bootstrapper',
    job: 'is bootstrapper',
    domid: null,
    memoryMib: 192,
    state: 'done',
    upSince: '2024-01-01T00:00:00.000Z',
    resets: 0,
  });
  expect((await cli.run('trust')).out).toContain('  memory    domain 5: console-ring (serves its console)\n');
  const info = await cli.run('info');
  expect(info.out).toContain('xen_version            : 4.17.5\n');
  expect(info.out).toContain('free_memory            : 1024\n');
  expect(info.out).toContain('dma_isolation          : yes (IOMMU)\n');
  expect(JSON.parse((await cli.run('info', '--json')).out)).toMatchObject({ flask: 'enforcing', guests: 1 });
  expect((await cli.run('dmesg')).out).toContain('(XEN) all is well\n');
});

test('xenstore quota shows what each domain has in the store, and nothing of a guest that is gone', async () => {
  await webGuest();
  const quota = async () => JSON.parse((await cli.run('xenstore', 'quota', '--json')).out) as StoreQuota;
  const [before] = (await quota()).domains.filter(({ domid }) => domid === 16);
  expect(before).toMatchObject({ domid: 16, watches: 0, transactions: 0, outstanding: 0, events: 0 });
  const { out } = await cli.run('xenstore', 'quota');
  expect(out).toContain('\nID  Nodes  Watches  Transactions  Outstanding  Memory  Events\n');
  expect(out).toMatch(/\nAll guests together have \d+ of \d+ bytes of memory\.\n$/);
  await cli.run('destroy', 'web');
  expect((await quota()).domains.map(({ domid }) => domid)).not.toContain(16);
});

test('xenstore quota set sets what guests may have, within bounds', async () => {
  expect(await cli.run('xenstore', 'quota', 'set', 'nodes', '2000')).toEqual({ code: 0, out: '', error: '' });
  expect((await cli.run('xenstore', 'quota', 'set', 'memory-soft', '70000')).code).toBe(0);
  const { limits } = JSON.parse((await cli.run('xenstore', 'quota', '--json')).out) as StoreQuota;
  expect(limits).toEqual({ ...guestLimits, nodes: 2000, 'memory-soft': 70000 });
  expect((await cli.run('xenstore', 'quota')).out).toMatch(/\nnodes +2000 +Nodes per domain\n/);
});

test.each([
  ['a limit that there is not', ['files', '1'], /one of nodes, watches/],
  ['a value that no guest may have', ['nodes', '16001'], /nodes can be set from 1 to 16000/],
  ['what is no setting', ['outstanding', '2'], /outstanding is 1 and cannot be set/],
  ['what is no number', ['nodes', 'many'], /a number from 1 upwards/],
])('xenstore quota set refuses %s', async (_, args, says) => {
  const { code, error } = await cli.run('xenstore', 'quota', 'set', ...args);
  expect(code).toBe(2);
  expect(error).toMatch(says);
});

test('Toolstack knows the bounds, too', async () => {
  const { xenstore } = cli.toolstack.ports;
  await expect(setXenstoreQuota(xenstore, 'nodes', 16_001)).rejects.toMatchObject({ code: 'bad-config' });
});

test('xenstore reads, lists, writes, protects and removes as the xenstore-* tools do', async () => {
  await webGuest();
  const home = '/local/domain/16';
  expect((await cli.run('xenstore', 'read', `${home}/name`)).out).toBe('web\n');
  expect((await cli.run('xenstore', 'read', '-p', `${home}/name`)).out).toBe(`${home}/name: web\n`);
  expect(await cli.run('xenstore', 'write', `${home}/data/a`, 'x\\ty', `${home}/data/b`, '2')).toMatchObject({
    code: 0,
  });
  expect((await cli.run('xenstore', 'list', `${home}/data`)).out).toBe('a\nb\n');
  expect((await cli.run('xenstore', 'list', '-p', `${home}/data`)).out).toBe(`${home}/data/a\n${home}/data/b\n`);
  expect((await cli.run('xenstore', 'ls', `${home}/data`)).out).toBe('a = "x\\ty"\nb = "2"\n');
  expect((await cli.run('xenstore', 'chmod', '-r', `${home}/data`, 'n5', 'r16')).code).toBe(0);
  expect((await cli.run('xenstore', 'ls', '-f', '-p', `${home}/data`)).out).toContain(
    `${home}/data/b = "2"   (n5,r16)\n`,
  );
  expect(JSON.parse((await cli.run('xenstore', 'ls', '--json', `${home}/data`)).out)[0]).toEqual({
    path: `${home}/data/a`,
    value: 'x\ty',
    permissions: ['n5', 'r16'],
  });
  expect((await cli.run('xenstore', 'rm', `${home}/data`)).code).toBe(0);
  expect(await cli.run('xenstore', 'exists', home, `${home}/data`)).toEqual({
    code: 23,
    out: '',
    error: `ennead: there is no node ${home}/data\n`,
  });
});

test('xenstore watch shows the path itself, and what changes below it, as often as it is told to, and leaves no watch', async () => {
  await webGuest();
  const watches = async () => (await xenstoreQuota(cli.toolstack.ports.xenstore)).domains.map((quota) => quota.watches);
  const before = await watches();
  const watching = cli.run('xenstore', 'watch', '-n', '2', '/local/domain/16/data');
  await cli.until(() => cli.out.includes('data\n'));
  await cli.toolstack.ports.xenstore.write('/local/domain/16/data/x', '1');
  expect(await watching).toEqual({ code: 0, out: '/local/domain/16/data\n/local/domain/16/data/x\n', error: '' });
  while (String(await watches()) !== String(before)) await new Promise(setImmediate);
});

test.each([
  ['a path that is none', ['read', '/a//b'], 7, /\/a\/\/b is no path of XenStore/],
  ['a path without a value', ['write', '/a'], 2, /\/a: a path without a value/],
  ['permissions that are none', ['chmod', '/local/domain/16', 'x1'], 7, /permissions/],
  ['a node that is not there', ['ls', '/local/domain/99'], 23, /there is no node \/local\/domain\/99/],
  ['a strange number', ['watch', '-n', '0', '/a'], 2, /a number from 1 upwards/],
])('xenstore says what is wrong with %s', async (_, words, code, message) => {
  await webGuest();
  const result = await cli.run('xenstore', ...words);
  expect(result.code).toBe(code);
  expect(result.error).toMatch(message);
});

test.each([
  ['a stopped host', ['list'], 3, /not running/, () => cli.stopHost()],
  ['an unknown guest', ['destroy', 'ghost'], 5, /no guest ghost; see: ennead list/, () => {}],
  ['an unknown volume', ['volume', 'delete', 'none'], 8, /no volume none/, () => {}],
  ['a full disk', ['volume', 'create', 'big', '2T'], 10, /bytes are free/, () => {}],
  ['a size that is none', ['volume', 'create', 'odd', '1000'], 2, /1000 is not the size of a volume/, () => {}],
  ['a name that cannot be', ['volume', 'create', 'a/b', '1M'], 2, /a\/b cannot be the name of a volume/, () => {}],
  ['a guest file that is not there', ['create', '/nonexistent.cfg'], 20, /cannot be read \(ENOENT\)/, () => {}],
  ['a host that does not boot', ['host', 'start'], 18, /did not boot/, () => {}],
  ['a host that has to be forced', ['host', 'stop'], 21, /by force/, () => cli.hangHost()],
  ['an unknown VM', ['logs', 'ghost'], 3, /there is no log/, () => {}],
])('%s: one clear line and its own exit code', async (_name, argv, code, message, arrange) => {
  arrange();
  const result = await cli.run(...argv);
  expect(result.code).toBe(code);
  expect(result.error).toMatch(message);
  expect(result.out).toBe('');
});

test.each([
  ['an unknown command', ['destory'], "unknown command 'destory' (Did you mean destroy?)"],
  ['a missing argument', ['destroy'], "missing required argument 'guest'"],
  ['an unknown option', ['list', '--jsn'], "unknown option '--jsn' (Did you mean --json?)"],
  ['an argument too many', ['list', 'web'], "too many arguments for 'list'. Expected 0 arguments but got 1."],
  ['a number that is none', ['host', 'start', '--cpus', 'two'], /^option '--cpus <number>' argument 'two' is invalid/],
  ['a group without its command', ['host'], 'a command is missing after host: start, stop, status, log'],
  ['nothing at all', [], /^a command is missing after ennead: host, info, /],
])('%s on the command line: one clear line and a hint', async (_name, argv, message) => {
  const { code, out, error } = await cli.run(...argv);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  const [, line, hint] = /^ennead: (.*)\n(.*)\n$/.exec(error) ?? [];
  expect(line).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  expect(hint).toBe('(--help shows how)');
});

test('host start passes its choices on, and shows what the services log with the time since the start', async () => {
  cli.stopHost();
  const orders: unknown[] = [];
  cli.boot = async (images, choices, say) => {
    orders.push([images.disk, choices]);
    say('(d5) [    3.1] ennead[toolstack]: ready');
    cli.startHost();
    return cli.status();
  };
  expect(await cli.run('host', 'start', '--memory', '4096', '--no-iommu')).toEqual({
    code: 0,
    out: 'the host is up; try: ennead list\n',
    error: expect.stringMatching(/^ +0\.0 s {2}the host boots\n +\d+\.\d s {2}toolstack: ready\n$/),
  });
  await cli.run('host', 'start');
  expect(orders).toEqual([
    ['/images/host-disk.raw', { memoryMib: 4096, iommu: false }],
    ['/images/host-disk.raw', { iommu: true }],
  ]);
});

test('host stop says that the host is down, to programs as host status does', async () => {
  expect(await cli.run('host', 'stop')).toEqual({ code: 0, out: 'the host is shut down\n', error: '' });
  cli.startHost();
  expect(JSON.parse((await cli.run('host', 'stop', '--json')).out)).toMatchObject({ status: 'stopped', pid: null });
});

test('a malformed guest file is an error with line and column; an unknown key a warning with its line', async () => {
  const bad = await file('bad.cfg', 'name = "web"\nmemory = = 1\n');
  const malformed = await cli.run('create', bad);
  expect(malformed).toMatchObject({ code: 7, error: expect.stringContaining(`${bad}:2:10: expected a value`) });
  const odd = await file('odd.cfg', 'name = "web"\nmemory = 64\nusb = 1\n');
  const warned = await cli.run('create', odd);
  expect(warned).toMatchObject({ code: 0, error: `warning: ${odd}:3: key usb is not known and is ignored\n` });
});

test('--dry-run shows what would be made and makes nothing', async () => {
  const { code, out } = await webGuest('--dry-run', 'name=other');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ name: 'other', disks: [{ vdev: 'xvda', volume: 'root', access: 'w' }] });
  expect(cli.toolstack.guests.all()).toEqual([]);
});

test('a guest that will not boot, a kernel that nobody knows and a taken name have their own codes and leave nothing', async () => {
  expect(await webGuest('kernel=windows')).toMatchObject({ code: 17 });
  cli.host.builder.boot = ({ console, domid }) => {
    console.print('panic: no init\r\n');
    cli.host.xen.domains.shutdown(domid, 'crash');
  };
  expect(await webGuest()).toEqual({
    code: 12,
    out: '',
    error: 'ennead: guest web ended while it started (crash); it said last: panic: no init\n',
  });
  expect(cli.toolstack.guests.all()).toEqual([]);
  cli.host.builder.boot = ({ console }) => void console.print('ok\r\n');
  expect(await webGuest()).toMatchObject({ code: 0 });
  expect(await webGuest()).toMatchObject({ code: 6 });
});

test('shutdown --wait returns when the guest is gone', async () => {
  await webGuest();
  await cli.host.obeyShutdown();
  expect(await cli.run('shutdown', '--wait', 'web')).toEqual({ code: 0, out: 'guest web has shut down\n', error: '' });
  expect(await cli.run('shutdown', 'web')).toMatchObject({ code: 5 });
});

test('the console shows the backlog, carries keys to the guest and leaves on Ctrl+]', async () => {
  await webGuest();
  const attached = cli.run('console', 'web');
  await cli.until(() => cli.out.includes('web boots'));
  await cli.type('root\r');
  const { console } = cli.host.guest('web');
  let heard = '';
  await cli.until(() => {
    heard += console.readAll();
    return heard === 'root\r';
  });
  console.print('Password: ');
  await cli.until(() => cli.out.includes('Password: '));
  await cli.type('secret\x1dnot sent');
  expect(await attached).toMatchObject({
    code: 0,
    out: 'web boots\r\nPassword: ',
    error: 'console of web (domain 16); Ctrl+] leaves it\r\n\r\nconsole left\r\n',
  });
});

test('the console ends when the guest does, and outlives its reboot', async () => {
  await webGuest();
  const attached = cli.run('console', 'web');
  await cli.until(() => cli.out.includes('web boots'));
  cli.host.xen.domains.shutdown(16, 'reboot');
  await cli.until(() => cli.out === 'web boots\r\nweb boots\r\n');
  cli.host.xen.domains.shutdown(17, 'poweroff');
  expect((await attached).error).toContain('the guest is gone: poweroff');
});

test('a volume comes back from export as it went into import, holes included', async () => {
  const image = new Uint8Array(3 * 1024 * 1024 + 700);
  for (const start of [0, 5000, 1 << 20, image.length - 600])
    image.set(
      Uint8Array.from({ length: 600 }, (_, index) => (start + index) % 251),
      start,
    );
  const raw = await file('root.raw', image);
  const imported = await cli.run('volume', 'import', 'root', raw);
  expect(imported).toMatchObject({ code: 0, out: expect.stringMatching(/^volume root is imported: 3\.0 MiB\n$/) });
  const whole = new Uint8Array(Math.ceil(image.length / 512) * 512);
  whole.set(image);
  expect(Buffer.compare(cli.host.backEnds.volumes.get('root')!, whole)).toBe(0);
  const back = join(folder, 'back.raw');
  expect(await cli.run('volume', 'export', 'root', back)).toMatchObject({ code: 0 });
  expect(Buffer.compare(await readFile(back), whole)).toBe(0);
  expect(cli.host.backEnds.openDevices.size).toBe(0);
  expect(cli.host.traces(5).filter((path) => path.includes('backend'))).toEqual([]);
  const list = await cli.run('volume', 'list');
  expect(list.out).toBe('Name  Size     Used     Attached to\nroot  3.0 MiB  3.0 MiB  -\n1 GiB free\n');
});

test('a disk that fills up during an import: its own code, and no half-made volume', async () => {
  const raw = await file('root.raw', new Uint8Array(2 << 20).fill(7));
  cli.host.backEnds.writesFailFrom = 1 << 20;
  const result = await cli.run('volume', 'import', 'root', raw);
  expect(result).toMatchObject({ code: 10, error: 'ennead: the disk refused a write: it is full or broken\n' });
  expect([...cli.host.backEnds.volumes.keys()]).toEqual([]);
  expect(cli.host.backEnds.openDevices.size).toBe(0);
});

test('an import whose session is cut leaves no volume', async () => {
  const raw = await file('root.raw', new Uint8Array(4 << 20).fill(7));
  const running = cli.run('volume', 'import', 'root', raw);
  await cli.until(() => (cli.host.backEnds.volumes.get('root')?.[0] ?? 0) === 7);
  cli.cutSessions();
  expect(await running).toMatchObject({ code: 4 });
  await cli.until(() => cli.host.backEnds.volumes.size === 0);
});

test('an export that fails leaves no file, and one never overwrites', async () => {
  const path = join(folder, 'out.raw');
  expect(await cli.run('volume', 'export', 'none', path)).toMatchObject({ code: 8 });
  await expect(readFile(path)).rejects.toThrow('ENOENT');
  const present = await file('present.raw', 'mine');
  expect(await cli.run('volume', 'export', 'none', present)).toMatchObject({ code: 20 });
  expect(await readFile(present, 'utf8')).toBe('mine');
});

test('a volume that a running guest writes to is neither exported nor deleted', async () => {
  await webGuest();
  expect(await cli.run('volume', 'export', 'root', join(folder, 'x.raw'))).toMatchObject({ code: 9 });
  expect(await cli.run('volume', 'delete', 'root')).toMatchObject({
    code: 9,
    error: 'ennead: volume root is in use by guest web\n',
  });
});

test('logs shows the lines of one VM', async () => {
  cli.logPath = await file(
    'serial.log',
    '(XEN) Xen 4.17\n(d6) ennead[blkback]: ready\n(d5) ennead[toolstack]: ready\n(d6) ennead[blkback]: volume root made\n(d16) hello\n',
  );
  expect((await cli.run('logs', 'blkback')).out).toBe('ennead[blkback]: ready\nennead[blkback]: volume root made\n');
  expect((await cli.run('logs', '16')).out).toBe('hello\n');
  await webGuest();
  expect((await cli.run('logs', 'web')).out).toBe('hello\n');
  expect(await cli.run('logs', 'ghost')).toMatchObject({ code: 5 });
  expect((await cli.run('host', 'log')).out).toContain('(XEN) Xen 4.17');
});

test('every command explains itself with an example', async () => {
  const commands = [
    'list',
    'create',
    'shutdown',
    'reboot',
    'destroy',
    'pause',
    'unpause',
    'trigger',
    'reset',
    'sysrq',
    'console',
    'info',
    'services',
  ];
  const more = [
    'trust',
    'dmesg',
    'logs',
    'host start',
    'host stop',
    'host status',
    'host log',
    'image build',
    'image list',
    'image verify',
    ...['ls', 'read', 'list', 'exists', 'write', 'rm', 'chmod', 'watch', 'quota', 'quota set'].map(
      (name) => `xenstore ${name}`,
    ),
  ];
  const volumes = ['list', 'create', 'delete', 'import', 'export'].map((command) => `volume ${command}`);
  for (const command of [...commands, ...more, ...volumes]) {
    const { code, out } = await cli.run(...command.split(' '), '--help');
    expect({ command, code }).toEqual({ command, code: 0 });
    expect(out).toContain(`Examples:\n  ennead ${command}`);
  }
});
