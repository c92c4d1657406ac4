import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { QEMU_VOLUME } from '../../contracts/qemu-volume.ts';
import type { GuestConfig } from '../../contracts/toolstack.ts';
import { LINES_LOGGED_MAX, LINK_LOST_MS, LINK_TIMEOUT_MS, LINKS_MAX } from './device-model.ts';
import { furnish, hda, hdc, type Machine, pc } from './testing/emulated-pc.ts';
import { FakeQemu } from './testing/fake-qemu.ts';
import { SimulatedHost } from './testing/simulated-host.ts';
import type { Toolstack } from './toolstack.ts';

const G = 16;
const Q = 17;
const web: GuestConfig = {
  ...pc(),
  name: 'web',
  boot: { type: 'pv', kernel: 'core', cmdline: '' },
};

let host: SimulatedHost;
let toolstack: Toolstack;
let before: string[];

beforeEach(async () => {
  host = new SimulatedHost();
  furnish(host);
  toolstack = await host.toolstack();
  before = host.xen.leftovers();
});

const create = (config = pc()) => host.during(toolstack.createGuest(config));
const node = (path: string): string | undefined => host.xen.xenstore.dump()[path];
const lives = (domid: number): boolean => host.xen.domains.info(domid) !== null;

/** What a console has shown so far. */
function shown(name: string): string {
  let text = '';
  const unwatch = toolstack.guests.find(name).console.watch({
    output: (bytes) => {
      text += new TextDecoder().decode(bytes);
    },
    ended: () => {},
  });
  unwatch();
  return text;
}

describe('a pair', () => {
  test('has its devices, its machine is started, then it runs; destroyed, nothing of either is left', async () => {
    host.builder.startQemu = async (qemu) => {
      // Its Linux may not see what is described while it starts.
      for (const device of ['vbd/51712', 'vif/0']) expect(node(`/local/domain/${Q}/device/${device}/state`)).toBe('1');
      qemu.answers['machine.start'] = () => {
        expect(host.xen.domains.info(G)).toMatchObject({ paused: true });
        return {};
      };
      await qemu.start();
    };
    expect(await create()).toEqual({ name: 'pc', domid: G });
    expect(host.xen.domains.info(G)).toMatchObject({ running: true });
    expect(host.qemu('pc').machine).toEqual({
      guest: G,
      name: 'pc',
      memoryMib: 128,
      videoMib: 16,
      vcpus: 1,
      choices: { boot: 'cd', vga: 'stdvga', usbTablet: true, serial: true, xenPlatform: false },
      drives: [
        { name: 'hda', device: 'xvda', cdrom: false, format: 'raw', readOnly: false },
        { name: 'hdc', device: null, cdrom: true, format: 'raw', readOnly: true },
      ],
      cards: [{ index: 0, mac: '00:16:3e:00:00:01', model: 'e1000' }],
    });
    await host.during(toolstack.guests.destroy('pc'));
    expect([lives(G), lives(Q), host.traces(G), host.traces(Q)]).toEqual([false, false, [], []]);
    expect(host.xen.leftovers()).toEqual(before);
  });

  test('the disks and cards are those of the Qemu VM, whose addresses are not those of its guest', async () => {
    await create();
    const xvdz = (1 << 28) | (25 << 8);
    expect(node(`/local/domain/6/backend/vbd/${Q}/51712/params`)).toBe('root');
    expect(node(`/local/domain/6/backend/vbd/${Q}/51712/mode`)).toBe('w');
    expect(node(`/local/domain/6/backend/vbd/${Q}/${xvdz}/params`)).toBe(QEMU_VOLUME);
    expect(node(`/local/domain/6/backend/vbd/${Q}/${xvdz}/mode`)).toBe('r');
    expect(node(`/local/domain/${Q}/device/vif/0/mac`)).toBe('02:16:3e:00:00:01');
    expect(Object.keys(host.xen.xenstore.dump()).filter((path) => path.includes(`/${G}/device/v`))).toEqual([]);
  });

  test('hvmloader finds its firmware, and no console ring is offered', async () => {
    await create();
    expect(node(`/local/domain/${G}/hvmloader/bios`)).toBe('seabios');
    expect(node(`/local/domain/${G}/hvmloader/allow-memory-relocate`)).toBe('0');
    expect(node(`/local/domain/${G}/platform/acpi`)).toBe('1');
    expect(node(`/local/domain/${G}/platform/acpi_s3`)).toBe('0');
    expect(node(`/local/domain/${G}/memory/static-max`)).toBe(String(144 * 1024));
    expect(node(`/local/domain/${G}/memory/videoram`)).toBe(String(16 * 1024));
    expect(node(`/local/domain/${G}/console/port`)).toBeUndefined();
  });

  test.each(['poweroff', 'crash'] as const)('ends with its guest: %s', async (reason) => {
    await create();
    host.xen.domains.shutdown(G, reason);
    await host.pass(1000);
    expect([lives(G), lives(Q), toolstack.guests.all()]).toEqual([false, false, []]);
    expect(host.xen.leftovers()).toEqual(before);
  });

  test('a guest that reboots gets a new pair with the same addresses', async () => {
    await create(pc({}, { cards: [{ model: 'e1000' }] }));
    const mac = host.qemu('pc').machine.cards[0]?.mac;
    host.xen.domains.shutdown(G, 'reboot');
    await host.pass(1000);
    expect([lives(G), lives(Q), lives(18), lives(19)]).toEqual([false, false, true, true]);
    expect(host.qemu('pc').machine).toMatchObject({ guest: 18, cards: [{ mac }] });
    expect(shown('pc')).toBe('SeaBIOS\r\nSeaBIOS\r\n');
  });

  test.each([
    ['refuses the machine', { code: 'device-model-failed', message: /machine.start: .*no such device/ }],
    ['says nothing to it', { code: 'device-model-failed', message: /machine.start: no answer in 90 s/ }],
    ['never offers its link', { code: 'device-model-failed', message: /its start: no answer in 90 s/ }],
    ['ends at once', { code: 'device-model-failed', message: /it has ended \(crash\)/ }],
  ])('a Qemu VM that %s fails the creation in words, and nothing is left', async (what, { code, message }) => {
    host.builder.startQemu = async (qemu) => {
      if (what === 'never offers its link') return;
      if (what === 'ends at once') return host.xen.domains.shutdown(qemu.domain.domid, 'crash');
      qemu.answers['machine.start'] = () => {
        if (what === 'says nothing to it') return new Promise(() => {});
        throw new Error('unused');
      };
      if (what === 'refuses the machine') {
        const { RpcError } = await import('../../kit/rpc.ts');
        qemu.answers['machine.start'] = () => {
          throw new RpcError('no-device', '\x1b[2Jno such device');
        };
      }
      await qemu.start();
    };
    const failure = await create().catch((error: Error & { code: string }) => error);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a Qemu VM's bytes must not steer the operator's terminal
    expect((failure as Error).message).not.toMatch(/[\x00-\x1f]/);
    expect([lives(G), lives(Q), host.traces(G), host.traces(Q)]).toEqual([false, false, [], []]);
    expect(host.xen.leftovers()).toEqual(before);
  });
});

describe('a guest whose system may have Xen drivers', () => {
  const sda = { ...hda, vdev: 'sda', volume: 'cd1' };
  const pvCard = { model: null, mac: '00:16:3e:00:00:02' };
  const vbd = (domid: number, id: number, name: string) => node(`/local/domain/6/backend/vbd/${domid}/${id}/${name}`);
  const vif = (domid: number, id: number) => node(`/local/domain/7/backend/vif/${domid}/${id}/mac`);
  const xen = (machine: Partial<Machine> = {}) => pc({}, { xenPlatform: true, ...machine });

  test('has a paravirtual disk beside the emulated one on IDE, of the same volume, and BlkBack is told that they are one', async () => {
    await create(xen({ drives: [hda, sda, hdc] }));
    expect([vbd(G, 768, 'params'), vbd(Q, 51712, 'params')]).toEqual(['root', 'root']);
    expect([vbd(G, 768, 'shared-with'), vbd(Q, 51712, 'shared-with')]).toEqual([String(Q), String(G)]);
    // QEMU would not take away the one on SATA.
    expect([vbd(G, 2048, 'params'), vbd(Q, 51728, 'shared-with')]).toEqual([undefined, undefined]);
    expect(host.qemu('pc').machine.choices.xenPlatform).toBe(true);
    await host.during(toolstack.guests.destroy('pc'));
    expect([host.traces(G), host.traces(Q)]).toEqual([[], []]);
    expect(host.xen.leftovers()).toEqual(before);
  });

  test('has a paravirtual card for each, with its own address; one of type vif is not emulated', async () => {
    await create(xen({ cards: [{ model: 'e1000', mac: '00:16:3e:00:00:01' }, pvCard] }));
    expect([vif(G, 0), vif(G, 1)]).toEqual(['00:16:3e:00:00:01', '00:16:3e:00:00:02']);
    expect([vif(Q, 0), vif(Q, 1)]).toEqual(['02:16:3e:00:00:01', undefined]);
    expect(host.qemu('pc').machine.cards.map(({ index }) => index)).toEqual([0]);
  });

  test.each([
    ['an image in qcow2 on IDE', { drives: [{ ...hda, format: 'qcow2' as const }] }, /xen_platform_pci must be 0/],
    ['a card of type vif without the device', { xenPlatform: false, cards: [pvCard] }, /xen_platform_pci must be 1/],
  ])('%s is refused', async (_name, machine, message) => {
    await expect(toolstack.createGuest(xen(machine))).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(message),
    });
  });

  test('an image in qcow2 on SATA stays emulated', async () => {
    await create(xen({ drives: [{ ...sda, format: 'qcow2' }] }));
    expect(vbd(Q, 51712, 'params')).toBe('cd1');
    expect(Object.keys(host.xen.xenstore.dump()).filter((path) => path.includes(`/${G}/device/vbd`))).toEqual([]);
  });

  test('without a serial port its console is a paravirtual one', async () => {
    await create(xen({ serial: false }));
    expect(node(`/local/domain/${G}/console/port`)).toBe(String(toolstack.guests.find('pc').record?.consolePort));
    host.guest('pc').console.print('from hvc0');
    await host.pass();
    expect(shown('pc')).toContain('from hvc0');
  });
});

describe('volumes', () => {
  test('without the volume of QEMU no PC is emulated, and its name is said', async () => {
    host.backEnds.volumes.delete(QEMU_VOLUME);
    await expect(create()).rejects.toMatchObject({
      code: 'volume-missing',
      message: expect.stringMatching(QEMU_VOLUME),
    });
  });

  test('the volume of QEMU cannot be deleted while a Qemu VM uses it, and is no disk of a guest', async () => {
    await create();
    await expect(toolstack.deleteVolume(QEMU_VOLUME)).rejects.toMatchObject({ code: 'volume-busy' });
    const disks = [{ vdev: 'xvda', volume: QEMU_VOLUME, access: 'r' as const }];
    await expect(toolstack.createGuest({ ...web, disks })).rejects.toMatchObject({ code: 'bad-config' });
    await expect(toolstack.changeMedium('pc', 'hdc', QEMU_VOLUME)).rejects.toMatchObject({ code: 'bad-config' });
    await host.during(toolstack.guests.destroy('pc'));
    await host.during(toolstack.deleteVolume(QEMU_VOLUME));
    expect(host.backEnds.volumes.has(QEMU_VOLUME)).toBe(false);
  });

  test.each([
    [
      'a volume that a drive writes to',
      { ...web, disks: [{ vdev: 'xvda', volume: 'root', access: 'r' as const }] },
      'volume-busy',
    ],
    ['a volume that is there twice', pc({ name: 'two' }, { drives: [hda] }), 'volume-busy'],
    ['two drives of one name', pc({ name: 'two' }, { drives: [hdc, hdc] }), 'bad-config'],
    ['a disk of its own for an emulated PC', pc({ name: 'two', vifs: [{}] }, { drives: [] }), 'bad-config'],
  ])('%s is refused', async (_name, config, code) => {
    await create();
    await expect(toolstack.createGuest(config)).rejects.toMatchObject({ code });
  });
});

describe('media', () => {
  const device = (place: number) => `/local/domain/6/backend/vbd/${Q}/${51712 + 16 * place}`;
  const change = (volume: string | null, vdev = 'hdc') => host.during(toolstack.changeMedium('pc', vdev, volume));
  const changes = () =>
    host
      .qemu('pc')
      .asked.filter(({ method }) => method === 'media.change')
      .map(({ params }) => params);

  test('go in after their disk, and come out before it', async () => {
    await create();
    host.qemu('pc').answers['media.change'] = ({ device: given }: { device: string | null }) => {
      // Whatever happens, the disk is there when QEMU hears of it.
      expect(node(`${device(1)}/params`)).toBe(given === null ? 'cd1' : changes().length > 1 ? 'cd2' : 'cd1');
      return {};
    };
    await change('cd1');
    await change('cd2');
    expect(node(`${device(1)}/params`)).toBe('cd2');
    expect(changes().map(({ device: given }) => given)).toEqual(['xvdb', null, 'xvdb']);
    await expect(toolstack.deleteVolume('cd2')).rejects.toMatchObject({ code: 'volume-busy' });
    host.qemu('pc').answers = {};
    await change(null);
    expect(node(`${device(1)}/params`)).toBeUndefined();
    await change(null);
    expect(changes()).toHaveLength(4);
  });

  test('stay in for a restart of the guest', async () => {
    await create();
    await change('cd1');
    host.xen.domains.shutdown(G, 'reboot');
    await host.pass(1000);
    expect(host.qemu('pc').machine.drives[1]).toMatchObject({ name: 'hdc', device: 'xvdb' });
  });

  test.each([
    ['a drive that is no CD drive', 'hda', 'cd1', 'bad-config'],
    ['a drive that is not there', 'hdd', 'cd1', 'bad-config'],
    ['a volume that is not there', 'hdc', 'none', 'volume-missing'],
    ['a volume that is written to', 'hdc', 'root', 'volume-busy'],
  ])('%s is refused', async (_name, vdev, volume, code) => {
    await create();
    await create({ ...web, disks: [] });
    if (volume === 'root') {
      await create(pc({ name: 'other' }, { drives: [hdc] }));
      await expect(host.during(toolstack.changeMedium('other', vdev, volume))).rejects.toMatchObject({ code });
    } else await expect(change(volume, vdev)).rejects.toMatchObject({ code });
  });

  test('one that QEMU refuses leaves the drive empty, and no disk behind', async () => {
    await create();
    host.qemu('pc').answers['media.change'] = () => {
      throw new Error('no');
    };
    await expect(change('cd1')).rejects.toMatchObject({ code: 'device-model-failed' });
    expect(node(`${device(1)}/params`)).toBeUndefined();
    await host.during(toolstack.deleteVolume('cd1'));
  });
});

describe('buttons, serial port and screen', () => {
  const pressed = () => host.xen.domains.powerButtonPressed(G);
  const says = (feature: string) =>
    host.guest('pc').domain.xenstore.write(`/local/domain/${G}/control/feature-${feature}`, '1');

  test('the power button is pressed in Xen, whatever the Qemu VM does; a paravirtual guest has none', async () => {
    await create();
    await create(web);
    host.qemu('pc').link?.close();
    await host.during(toolstack.guests.powerButton('pc'));
    expect(pressed()).toBe(1);
    await expect(toolstack.guests.powerButton('web')).rejects.toMatchObject({ code: 'guest-state' });
  });

  test('a PC without ACPI has no power button: that is said, and not tried', async () => {
    await create(pc({ boot: { ...pc().boot, acpi: false } as GuestConfig['boot'] }));
    const failure = { code: 'guest-state', message: expect.stringContaining('acpi = 0') };
    await expect(toolstack.guests.powerButton('pc')).rejects.toMatchObject(failure);
    await expect(toolstack.guests.askToEnd('pc', 'poweroff', false)).rejects.toMatchObject(failure);
    expect(pressed()).toBe(0);
  });

  test('shutdown presses the power button of a system without Xen drivers, and writes to one that has them', async () => {
    await create();
    await host.during(toolstack.guests.askToEnd('pc', 'poweroff', false));
    expect(pressed()).toBe(1);
    await expect(toolstack.guests.askToEnd('pc', 'reboot', false)).rejects.toMatchObject({ code: 'guest-state' });
    await says('reboot');
    await host.during(toolstack.guests.askToEnd('pc', 'reboot', false));
    expect(node(`/local/domain/${G}/control/shutdown`)).toBe('reboot');
    await says('poweroff');
    await host.during(toolstack.guests.askToEnd('pc', 'poweroff', false));
    expect([node(`/local/domain/${G}/control/shutdown`), pressed()]).toEqual(['poweroff', 1]);
  });

  test('a reset pair is followed by a new one', async () => {
    await create();
    await host.during(toolstack.guests.reset('pc'));
    await host.pass(1000);
    expect([lives(G), lives(Q), lives(18), lives(19)]).toEqual([false, false, true, true]);
  });

  test('SysRq is for systems with Xen drivers', async () => {
    await create();
    await expect(toolstack.guests.sysrq('pc', 'h')).rejects.toMatchObject({
      code: 'guest-state',
      message: 'the system of guest pc has no Xen drivers and cannot hear SysRq',
    });
    expect(node(`/local/domain/${G}/control/sysrq`)).toBe('');
    await says('poweroff');
    await host.during(toolstack.guests.sysrq('pc', 'h'));
    expect(node(`/local/domain/${G}/control/sysrq`)).toBe('h');
  });

  test('the console is the serial port', async () => {
    await create();
    expect(shown('pc')).toBe('SeaBIOS\r\n');
    const { console } = toolstack.guests.find('pc');
    const typed = 'x'.repeat(10_000);
    expect(console.write(new TextEncoder().encode(typed))).toBe(true);
    await host.pass();
    expect(host.qemu('pc').serialInput).toBe(typed);
  });

  test('a picture comes in parts', async () => {
    await create();
    const { deviceModel } = toolstack.guests.find('pc');
    expect(await host.during(deviceModel!.screenshot())).toEqual(host.qemu('pc').shot);
    expect(host.qemu('pc').asked.filter(({ method }) => method === 'screen.part')).toHaveLength(2);
  });
});

describe('a Qemu VM that is not what it should be', () => {
  /** The pair is gone, by `on_crash`; Toolstack and everybody else go on. */
  async function expectCrash(why: RegExp): Promise<void> {
    for (let waitedMs = 0; lives(G) && waitedMs < 2 * LINK_LOST_MS; waitedMs += 1000) await host.pass(1000);
    await host.pass(1000);
    expect([lives(G), lives(Q)]).toEqual([false, false]);
    expect(host.log.filter((line) => why.test(line))).toHaveLength(1);
    expect(host.log.filter((line) => line.startsWith('guest pc: crash, destroy'))).toHaveLength(1);
    expect(toolstack.guests.all().map(({ name }) => name)).toEqual(['web']);
    await host.during(toolstack.guests.pause('web'));
    await host.during(toolstack.guests.destroy('web'));
    expect(host.xen.leftovers()).toEqual(before);
  }

  beforeEach(async () => {
    host.builder.startQemu = async (qemu) => {
      await qemu.start();
      qemu.offersAgain = false;
    };
    await create();
    await create(web);
  });

  test.each([
    ['crashes', () => host.xen.domains.shutdown(Q, 'crash'), /it has ended \(crash\)/],
    ['switches itself off', () => host.xen.domains.shutdown(Q, 'poweroff'), /it has ended \(poweroff\)/],
    [
      'says that QEMU has ended',
      (qemu: FakeQemu) => qemu.notify('machine.event', { what: 'crashed' }),
      /QEMU has ended/,
    ],
    ['closes its link and offers no other', (qemu: FakeQemu) => qemu.link?.close(), /is over: its link is lost/],
    [
      'sends numbers for bytes',
      (qemu: FakeQemu) => qemu.notify('serial.data', { data: 5 }),
      /nonsense \(serial.data\)/,
    ],
    [
      'sends what is no byte',
      (qemu: FakeQemu) => qemu.notify('serial.data', { data: '\u0100' }),
      /nonsense \(serial.data\)/,
    ],
    [
      'sends a screen without a session',
      (qemu: FakeQemu) => qemu.notify('screen.data', { data: '' }),
      /nonsense \(screen.data\)/,
    ],
    [
      'reports what no machine does',
      (qemu: FakeQemu) => qemu.notify('machine.event', { what: 'flies' }),
      /nonsense \(machine.event\)/,
    ],
    [
      'sends too many bytes',
      (qemu: FakeQemu) => qemu.notify('serial.data', { data: 'x'.repeat(65_537) }),
      /nonsense \(serial.data\)/,
    ],
    [
      'sends a frame without end',
      ({ domain }: FakeQemu) => oversized(domain),
      /is over: its link is lost \(frame-too-long\)/,
    ],
  ])('one that %s has crashed its guest, and nobody else', async (_name, misbehave, why) => {
    await misbehave(host.qemu('pc'));
    await expectCrash(why);
  });

  test.each([
    ['a picture of no size', { 'screen.shot': () => ({ bytes: 0 }) }],
    ['a picture too large', { 'screen.shot': () => ({ bytes: 1 << 30 }) }],
    ['a part too short', { 'screen.part': () => ({ data: 'x' }) }],
    ['what is no PNG', { 'screen.shot': () => ({ bytes: 8 }), 'screen.part': () => ({ data: 'GIF89a..' }) }],
  ])('one that answers with %s has crashed its guest, and nobody else', async (_name, answers) => {
    Object.assign(host.qemu('pc').answers, answers);
    const { deviceModel } = toolstack.guests.find('pc');
    await expect(host.during(deviceModel!.screenshot())).rejects.toMatchObject({ code: 'device-model-failed' });
    await expectCrash(/it sends nonsense \(screen/);
  });

  test('one that offers its link again and again has, too', async () => {
    const { domain } = host.qemu('pc');
    for (let count = 0; count < LINKS_MAX; count += 1) {
      const qemu = new FakeQemu(domain);
      qemu.offersAgain = false;
      await qemu.offer();
      await host.pass();
    }
    await expectCrash(/it offers its link again and again/);
  });

  test('what is no message at all, and messages that nobody knows, are nobody’s affair', async () => {
    const qemu = host.qemu('pc');
    qemu.link?.send(new TextEncoder().encode('{{{'));
    qemu.link?.send(Uint8Array.of(0xff, 0xfe));
    qemu.notify('guest.destroy', { guest: 'web' });
    qemu.notify('screen.data', { session: 77, data: 'x' });
    await host.pass(LINK_LOST_MS * 2);
    expect([lives(G), lives(18)]).toEqual([true, true]);
  });

  test('a flood of events fills no log, and a flood of output no memory', async () => {
    const qemu = host.qemu('pc');
    for (let count = 0; count < 300; count += 1) qemu.notify('machine.event', { what: 'reset' });
    for (let count = 0; count < 40; count += 1) qemu.print('y'.repeat(10_000));
    await host.pass(1000);
    expect(host.log.filter((line) => line.includes('machine: reset'))).toHaveLength(LINES_LOGGED_MAX);
    expect(shown('pc')).toBe('y'.repeat(128 * 1024));
  });

  test('with on_crash = "restart" there is a new pair', async () => {
    await host.during(toolstack.guests.destroy('pc'));
    const { domid } = await create(pc({ onCrash: 'restart' }));
    host.xen.domains.shutdown(domid + 1, 'crash');
    await host.pass(1000);
    expect([lives(domid), lives(domid + 1)]).toEqual([false, false]);
    expect(host.qemu('pc').machine.guest).toBe(domid + 2);
  });

  test('with on_crash = "preserve" the guest stays, and stands still', async () => {
    await host.during(toolstack.guests.destroy('pc'));
    const { domid } = await create(pc({ onCrash: 'preserve' }));
    host.xen.domains.shutdown(domid + 1, 'crash');
    await host.pass(1000);
    expect(host.xen.domains.info(domid)).toMatchObject({ paused: true });
    await expect(toolstack.guests.reset('pc')).rejects.toMatchObject({ code: 'guest-state' });
  });
});

describe('a Toolstack that starts again', () => {
  /** A process that ends says no farewell. */
  async function again(): Promise<void> {
    await toolstack.guests.find('pc').deviceModel?.close();
    toolstack = await host.toolstack();
  }

  test('takes the pairs up: a new link, the same machine', async () => {
    await create();
    await again();
    await host.pass(1000);
    const qemu = host.qemu('pc');
    expect(qemu.links).toBe(2);
    expect(qemu.asked.filter(({ method }) => method === 'machine.start')).toHaveLength(1);
    qemu.print('still here\r\n');
    await host.pass(LINK_LOST_MS * 2);
    expect(shown('pc')).toBe('still here\r\n');
    await host.during(toolstack.changeMedium('pc', 'hdc', 'cd1'));
    await host.during(toolstack.guests.destroy('pc'));
    expect([lives(G), lives(Q)]).toEqual([false, false]);
  });

  test('counts one that does not come back as crashed', async () => {
    await create();
    host.qemu('pc').offersAgain = false;
    await again();
    await host.pass(LINK_LOST_MS + 2000);
    expect([lives(G), lives(Q)]).toEqual([false, false]);
    expect(host.log.some((line) => line.includes('it does not offer a new one'))).toBe(true);
  });
});

test('a link that is lost and offered again is as good as the first', async () => {
  await create();
  const qemu = host.qemu('pc');
  qemu.link?.close();
  await host.pass(LINK_LOST_MS * 2);
  expect([qemu.links, lives(G)]).toEqual([2, true]);
  await host.during(toolstack.changeMedium('pc', 'hdc', 'cd1'));
  expect(qemu.asked.at(-1)?.method).toBe('media.change');
});

test('a Qemu VM that never answers holds up nobody: neither its guest’s end nor other guests', async () => {
  host.builder.startQemu = async (qemu) => {
    qemu.answers['machine.start'] = () => new Promise(() => {});
    await qemu.start();
  };
  const creation = toolstack.createGuest(pc()).catch((error: unknown) => error);
  await host.pass(1000);
  await create(web);
  await host.pass(LINK_TIMEOUT_MS + 5000);
  expect(await creation).toMatchObject({ code: 'device-model-failed' });
  expect([lives(G), lives(Q), lives(18)]).toEqual([false, false, true]);
});

test('whenever a Qemu VM ends or closes its link, its pair goes and nobody else notices', async () => {
  await create(web);
  const others = host.xen.leftovers();
  const ways = fc.constantFrom('crashes', 'closes its link', 'cuts a message');
  await fc.assert(
    fc.asyncProperty(fc.nat(30), ways, async (delaySteps, way) => {
      const qemus: FakeQemu[] = [];
      host.builder.startQemu = async (qemu) => {
        qemus.push(qemu);
        qemu.offersAgain = false;
        await qemu.start();
      };
      const creation = toolstack.createGuest(pc()).catch((error: unknown) => error);
      for (let step = 0; step < delaySteps; step += 1) await new Promise((resolve) => setTimeout(resolve, 0));
      while (qemus.length === 0) await host.pass();
      const { domain, link } = qemus[0]!;
      if (way === 'crashes') host.xen.domains.shutdown(domain.domid, 'crash');
      else if (way === 'closes its link') link?.close();
      else await oversized(domain).catch(() => {});
      await host.during(creation);
      for (let waitedMs = 0; toolstack.guests.all().length > 1 && waitedMs < 200_000; waitedMs += 1000)
        await host.pass(1000);
      expect(toolstack.guests.all().map(({ name }) => name)).toEqual(['web']);
      expect(host.xen.leftovers()).toEqual(others);
    }),
    { numRuns: 12 },
  );
});

test('destroy waits for no Qemu VM that does not answer', async () => {
  host.builder.startQemu = async (qemu) => {
    qemu.answers['machine.start'] = () => new Promise(() => {});
    await qemu.start();
  };
  const creation = toolstack.createGuest(pc({ onCrash: 'restart' })).catch((error: unknown) => error);
  await host.pass(1000);
  await toolstack.guests.destroy('pc');
  expect(await creation).toMatchObject({
    code: 'device-model-failed',
    message: expect.stringMatching(/its guest is removed/),
  });
  expect([lives(G), lives(Q), toolstack.guests.all()]).toEqual([false, false, []]);
});

/** A frame's header that promises more than any message may have, put into a page of its own that it offers anew. */
async function oversized(domain: FakeQemu['domain']): Promise<void> {
  const { region, refs } = domain.grants.share(5, 1, true);
  const port = domain.eventChannels.allocUnbound(5);
  region.write(0, Uint8Array.of(0xff, 0xff, 0xff, 0x7f));
  region.store32(2052, 4);
  await domain.xenstore.write('ennead/link/device-model', `ring-ref=${refs[0]} event-channel=${port}`);
}
