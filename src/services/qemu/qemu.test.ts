import { beforeEach, describe, expect, it } from 'vitest';
import { QEMU_PROGRAM } from '../../contracts/qemu-volume.ts';
import { outside, QEMU_ROOT, QEMU_UID } from './root.ts';
import { FakeVm } from './testing/fake-vm.ts';
import { pc } from './testing/machines.ts';

let vm: FakeVm;

beforeEach(async () => {
  vm = new FakeVm();
  await vm.run();
});

/** Everything that the machine needs is plugged. */
async function started(machine = pc()): Promise<FakeVm> {
  for (const name of ['xvda', 'xvdb']) vm.addDisk(name);
  vm.addCard(0, 'eth3');
  expect(await vm.ask('machine.start', machine)).toEqual({});
  return vm;
}

const text = (bytes: Uint8Array | null | undefined) => new TextDecoder('latin1').decode(bytes ?? undefined);
const socket = (name: string, index = 0) => vm.qemu.sockets.get(name)![index]!;

describe('start', () => {
  it('mounts the volume read-only as the root of a QEMU without rights, and offers Toolstack a link', async () => {
    expect(vm.files.mounts).toEqual([
      `/dev/xvdz ${QEMU_ROOT} ext4`,
      `devtmpfs ${outside('/dev')} devtmpfs`,
      `tmpfs ${outside('/run')} tmpfs`,
    ]);
    expect(vm.links).toHaveLength(1);
    await started();
    expect(vm.qemu.argv[0]).toBe(QEMU_PROGRAM);
    expect(vm.qemu.options).toMatchObject({ root: QEMU_ROOT, uid: QEMU_UID, gid: QEMU_UID, confined: true, env: {} });
  });

  it("lets QEMU open Xen's devices while it starts, and not any more when it is ready", async () => {
    await started();
    expect(vm.qemu.mayOpen).toEqual([true, true]);
    expect(['xen/privcmd', 'xen/evtchn', 'xen/xenbus', 'net/tun'].map((node) => vm.modeOf(node))).toEqual(
      Array(4).fill(0o600),
    );
    expect(vm.modeOf('xvda')).toBe(0o666);
    expect(vm.modeOf('xvdz')).toBeUndefined();
  });

  it('waits for disks and cards, whatever Linux calls the card, and bridges that to QEMU', async () => {
    const starting = vm.ask('machine.start', pc());
    await vm.xen.settle();
    expect(vm.qemu.argv).toEqual([]);
    for (const name of ['xvda', 'xvdb']) vm.addDisk(name);
    await vm.xen.settle();
    expect(vm.qemu.argv).toEqual([]);
    vm.addCard(0, 'eth3');
    expect(await starting).toEqual({});
    expect(vm.network.ports).toEqual(['eth3', 'tap0']);
    expect([...vm.network.upInterfaces]).toEqual(['eth3', 'tap0', 'br0']);
  });

  it('says which disk did not come, and switches off', async () => {
    const starting = vm.ask('machine.start', pc());
    await vm.xen.clock.advance(30_000);
    expect(await starting).toBe('no-device');
    await vm.xen.clock.advance(2_000);
    expect([vm.poweredOff, vm.logged.at(-1)]).toEqual([true, expect.stringMatching(/switching off: .*disk xvda/)]);
    expect(vm.uevents.listeners.size).toBe(0);
  });

  it('a QEMU that ends before it is ready is the answer, in its own words', async () => {
    for (const name of ['xvda', 'xvdb']) vm.addDisk(name);
    vm.addCard(0, 'eth0');
    vm.qemu.answers.qmp_capabilities = () => {
      vm.qemu.says('qemu: could not\nqemu: no such device\n');
      vm.qemu.end(1);
      return { return: {} };
    };
    expect(await vm.ask('machine.start', pc())).toBe('qemu-failed');
    await vm.xen.clock.advance(2_000);
    expect(vm.poweredOff).toBe(true);
    expect(vm.logged.join('\n')).toMatch(/QEMU: qemu: could not\nQEMU: qemu: no such device\n.*with status 1/);
  });

  it('takes one machine only, and nothing else before', async () => {
    expect(await vm.ask('screen.shot')).toBe('not-now');
    await started();
    expect(await vm.ask('machine.start', pc())).toBe('not-now');
  });

  it.each([
    ['two drives of one name', { drives: [pc().drives[0], pc().drives[0]] }],
    ['a disk for two drives', { drives: [pc().drives[0], { ...pc().drives[0], name: 'hdb' }] }],
    ["QEMU's own files", { drives: [{ ...pc().drives[0], device: 'xvdz' }] }],
    ['a hard disk that is none', { drives: [{ ...pc().drives[0], device: null }] }],
    ['two cards of one number', { cards: [pc().cards[0], pc().cards[0]] }],
    ['a card without an address', { cards: [{ ...pc().cards[0], mac: 'x,script=y' }] }],
  ])('refuses %s, and can be asked again', async (_, wrong) => {
    expect(await vm.ask('machine.start', { ...pc(), ...wrong })).toBe('invalid-params');
    expect(vm.poweredOff).toBe(false);
    await started();
  });

  it('a second process of the same VM switches it off: nobody knows the machine any more', async () => {
    await started();
    await vm.runService();
    expect(vm.poweredOff).toBe(true);
  });
});

describe('while it runs', () => {
  beforeEach(async () => {
    await started();
  });

  it('carries the serial port both ways', async () => {
    socket('serial').write(Uint8Array.of(0x48, 0xff, 0));
    await vm.xen.settle();
    expect(vm.notified).toEqual([{ method: 'serial.data', params: { data: 'H\xff\0' } }]);
    vm.peer!.notify('serial.data', { data: 'ls\n' });
    await vm.xen.settle();
    expect(text(socket('serial').read(100))).toBe('ls\n');
  });

  it('carries any amount of what the guest writes, in pieces', async () => {
    const flood = new Uint8Array(60_000).fill(0x61);
    for (let times = 0; times < 10; times += 1) socket('serial').write(flood);
    await vm.xen.settle();
    const told = vm.notified.map(({ params }) => String(params.data).length);
    expect(told.reduce((sum, length) => sum + length, 0)).toBe(10 * flood.length);
    expect(Math.max(...told)).toBeLessThanOrEqual(16 * 1024);
  });

  it('opens sessions of the screen, up to a number, and closes each alone', async () => {
    for (let session = 1; session <= 8; session += 1) expect(await vm.ask('screen.open', { session })).toEqual({});
    expect(await vm.ask('screen.open', { session: 9 })).toBe('sessions-full');
    expect(await vm.ask('screen.open', { session: 8 })).toBe('not-now');
    socket('vnc', 1).write(new TextEncoder().encode('RFB'));
    socket('vnc', 2).close();
    vm.peer!.notify('screen.data', { session: 5, data: 'x' });
    vm.peer!.notify('screen.closed', { session: 1 });
    await vm.xen.settle();
    expect(vm.notified).toEqual([
      { method: 'screen.data', params: { session: 2, data: 'RFB' } },
      { method: 'screen.closed', params: { session: 3 } },
    ]);
    expect(text(socket('vnc', 4).read(10))).toBe('x');
    expect(socket('vnc', 0).read(10)).toEqual(new Uint8Array(0));
    expect(await vm.ask('screen.open', { session: 9 })).toEqual({});
  });

  it('gives the screen as a PNG, in parts', async () => {
    const [width, height] = [64, 3];
    const noise = Uint8Array.from({ length: width * height * 3 }, (_, at) => (at * 7919) % 251);
    vm.screen = Uint8Array.from([...new TextEncoder().encode(`P6\n${width} ${height}\n255\n`), ...noise]);
    const shot = vm.peer!.call('screen.shot');
    await vm.xen.clock.advance(10);
    const { bytes } = (await shot) as { bytes: number };
    const part = (await vm.ask('screen.part', { offset: 0 })) as { data: string };
    expect(part.data.length).toBe(bytes);
    expect(part.data.slice(1, 4)).toBe('PNG');
    expect(await vm.ask('screen.part', { offset: bytes })).toEqual({ data: '' });
    expect(vm.qemu.commands.at(-1)).toEqual({ execute: 'screendump', arguments: { filename: '/run/screen.ppm' } });
  });

  it.each([
    ['nothing', ''],
    ['no picture', 'P5\n1 1\n255\n0'],
    ['a picture that ends too early', 'P6\n10 10\n255\n000'],
    ['a picture of any size', `P6\n99999 99999\n255\n${'0'.repeat(100)}`],
  ])('refuses %s in place of a screen', async (_, content) => {
    vm.screen = new TextEncoder().encode(content);
    const shot = vm.peer!.call('screen.shot');
    shot.catch(() => undefined);
    await vm.xen.clock.advance(10);
    await expect(shot).rejects.toMatchObject({ code: 'qemu-failed' });
  });

  it('changes the medium of a CD drive, and of no other', async () => {
    expect(await vm.ask('media.change', { name: 'hda', device: null })).toBe('no-device');
    expect(await vm.ask('media.change', { name: 'hdc', device: null })).toEqual({});
    const changing = vm.ask('media.change', { name: 'hdc', device: 'xvde' });
    await vm.xen.settle();
    vm.addDisk('xvde');
    expect(await changing).toEqual({});
    expect(vm.qemu.commands.slice(-2)).toMatchObject([
      { execute: 'eject', arguments: { id: 'drive-hdc', force: true } },
      { execute: 'blockdev-change-medium', arguments: { id: 'drive-hdc', filename: '/dev/xvde', format: 'raw' } },
    ]);
    expect(vm.modeOf('xvde')).toBe(0o666);
  });

  it("hands on QEMU's refusals", async () => {
    vm.qemu.answers.eject = () => ({ error: { class: 'GenericError', desc: 'the tray is locked' } });
    await expect(vm.peer!.call('media.change', { name: 'hdc', device: null })).rejects.toMatchObject({
      code: 'qemu-failed',
      message: 'the tray is locked',
    });
  });

  it('tells what an operator wants to know, and no other event', async () => {
    for (const event of ['RESET', 'BLOCK_IO_ERROR', 'RTC_CHANGE', 'toString']) vm.qemu.tells(event);
    await vm.xen.settle();
    expect(vm.notified.map(({ params }) => params.what)).toEqual(['reset', 'io-error']);
  });

  it("QEMU's end is the end of the VM, and Toolstack hears of it", async () => {
    vm.qemu.says(`${'x'.repeat(100_000)}\n`.repeat(50));
    vm.qemu.says('qemu: assertion failed');
    vm.qemu.end(null, 6);
    await vm.xen.settle();
    expect(vm.notified).toEqual([{ method: 'machine.event', params: { what: 'crashed' } }]);
    await vm.xen.clock.advance(2_000);
    expect(vm.poweredOff).toBe(true);
    expect(vm.logged.at(-1)).toBe('switching off: QEMU ended by signal 6: qemu: assertion failed');
    expect(vm.logged.length).toBeLessThan(20);
  });

  it('when Toolstack starts again it gets a new link; those who looked at the screen are gone', async () => {
    await vm.ask('screen.open', { session: 1 });
    await vm.restartToolstack();
    await vm.xen.clock.advance(1_000);
    expect(vm.links).toHaveLength(2);
    expect(socket('vnc').read(10)).toEqual(new Uint8Array(0));
    expect(await vm.ask('machine.start', pc())).toBe('not-now');
    expect(vm.poweredOff).toBe(false);
  });
});
