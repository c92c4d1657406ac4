/** Systems on PCs that their own Qemu VMs emulate: unmodified ones that know nothing of Xen, and Debian's ordinary kernel that does. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSteps } from '../../../src/image/images.ts';
import { GRUB_DISK, grubShell, MEMTEST_CD, memtest, SERIAL_GRUB_DISK } from '../../hvm-guests/boot-media.ts';
import { EMULATED_DEBIAN, EMULATED_DEBIAN_KERNEL, emulatedDebian } from '../../hvm-guests/emulated-debian.ts';
import { contentOf, qcow2 } from '../../hvm-guests/qcow2.ts';
import { GuestConsole } from '../console.ts';
import { domains, ennead, enneadJson, rowOf, tryEnnead } from '../ennead.ts';
import { expectDownloadUnchanged, expectFsyncedFileBack, HASH } from '../guest-checks.ts';
import { create } from '../guest-file.ts';
import { decodePng, difference, type Picture, screenOf } from '../screen.ts';
import { VncViewer } from '../vnc-viewer.ts';

const PICTURES = join(import.meta.dirname, '..', '..', 'hvm-guests', 'pictures');
const BOOT_TIMEOUT_MS = 600_000;
const COMMAND_TIMEOUT_MS = 120_000;
const APPEARS = { timeout: 180_000, interval: 2_000 };
/** @source Linux include/uapi/linux/input.h, struct input_event on x86-64 */
const INPUT_EVENT_BYTES = 24;
/** Of GRUB's shell: below what it says of itself. */
const FIRST_LINE = { x: 0, y: 128 };
const PROMPT = /root@emulated:~# /;
const GRUB_BANNER = /GNU GRUB/;
const GRUB_PROMPT = /grub> /;
const GRUB_IMAGE_BYTES = 2 * 1024 * 1024;
const DATA_IMAGE_BYTES = 8 * 1024 * 1024;
const SECTOR_BYTES = 512;
/** Room for all of its clusters, and for what leads to them. */
const DATA_VOLUME_BYTES = DATA_IMAGE_BYTES + 1024 * 1024;
const HEAD_BYTES = 300_000;
/** Where the guest writes: within what is allocated, and beyond it. */
const WRITTEN_AT_MIB = [0, 6];
const RTC_OFFSET_SECONDS = -45_000;
const SLACK_SECONDS = 120;
const MIB = 1024 * 1024;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const NOTHING_YET: Picture = { width: 0, height: 0, data: new Uint8Array(0) };

const picture = async (name: string): Promise<Picture> => decodePng(await readFile(join(PICTURES, name)));

const createHvm = (name: string, lines: readonly string[], onCrash = 'preserve'): Promise<void> =>
  create([`name = "${name}"`, 'type = "hvm"', `on_crash = "${onCrash}"`, ...lines, ''].join('\n'));

async function importBytes(volume: string, bytes: Uint8Array): Promise<void> {
  await inFolder(async (folder) => {
    const file = join(folder, 'image');
    await writeFile(file, bytes);
    await ennead('volume', 'import', volume, file);
  });
}

const exported = (volume: string): Promise<Uint8Array> =>
  inFolder(async (folder) => {
    const file = join(folder, 'image');
    await ennead('volume', 'export', volume, file);
    return readFile(file);
  });

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-hvm-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Its Linux reboots, which its service never orders: to Toolstack that is an end like any other. */
const endQemuVm = async (guest: string): Promise<string> =>
  ennead('xenstore', 'write', `/local/domain/${(await rowOf(`${guest}-dm`))!.domid}/control/shutdown`, 'reboot');

const cd = (volume: string): string => `disk = [ '${volume},raw,hdc,r,devtype=cdrom' ]`;

beforeAll(async () => {
  const { made } = await buildSteps([memtest, grubShell, emulatedDebian], {});
  await ennead('volume', 'import', 'memtest', made.get(memtest)!.path(MEMTEST_CD));
  const grub = await readFile(made.get(grubShell)!.path(GRUB_DISK));
  await importBytes('grub', qcow2(grub, GRUB_IMAGE_BYTES));
  await ennead('volume', 'import', 'serial-grub', made.get(grubShell)!.path(SERIAL_GRUB_DISK));
  await ennead('volume', 'import', 'emulated', made.get(emulatedDebian)!.path(EMULATED_DEBIAN));
  await ennead('volume', 'import', 'kernel', made.get(emulatedDebian)!.path(EMULATED_DEBIAN_KERNEL));
}, BOOT_TIMEOUT_MS);

afterAll(async () => {
  for (const volume of ['memtest', 'grub', 'serial-grub', 'emulated', 'kernel'])
    await ennead('volume', 'delete', volume);
});

describe('memtest86+ from Debian, on a CD', () => {
  beforeAll(() => createHvm('memtest', ['memory = 64', cd('memtest'), 'boot = "d"']));
  afterAll(() => ennead('destroy', 'memtest'));

  it('is on the screen', async () => {
    const title = await picture('memtest-title.png');
    await expect.poll(async () => difference(await screenOf('memtest'), title), APPEARS).toBe(0);
  });

  it('has its Qemu VM in the list, under xl’s name for it', async () => {
    const names = (await domains()).map(({ name }) => name);
    expect(names).toContain('memtest');
    expect(names).toContain('memtest-dm');
  });
});

describe('GRUB’s shell, from an image in qcow2', () => {
  beforeAll(() => createHvm('grub', ['memory = 64', "disk = [ 'grub,qcow2,hda,rw' ]", 'boot = "c"']));
  afterAll(() => ennead('destroy', 'grub'));

  it('takes what a VNC viewer types, and answers on the screen', async () => {
    const prompt = await picture('grub-prompt.png');
    await expect.poll(async () => difference(await screenOf('grub'), prompt, FIRST_LINE), APPEARS).toBe(0);
    const vnc = new GuestConsole('grub', ['vnc', 'grub', '--once']);
    try {
      const [, port] = await vnc.expect(/127\.0\.0\.1, port (\d+)/);
      const { viewer, name } = await VncViewer.open(Number(port));
      expect(name).toContain('grub');
      viewer.typeLine('echo Ennead');
      const answer = await picture('grub-answer.png');
      await expect.poll(async () => difference(await screenOf('grub'), answer, FIRST_LINE), APPEARS).toBe(0);
      await viewer.close();
      expect(await vnc.status()).toBe(0);
    } finally {
      await vnc.close();
    }
  });
});

describe('a PC whose clock is set, with a disk and an empty CD drive', () => {
  let console: GuestConsole;
  const name = 'reset-me';
  /** At the prompt of so many boots from the disk: the console's backlog outlives each. */
  const shell = async (boots: number): Promise<void> => {
    console = new GuestConsole(name);
    for (let boot = 0; boot < boots; boot++) await console.expect(GRUB_BANNER, BOOT_TIMEOUT_MS);
    await console.expect(GRUB_PROMPT, BOOT_TIMEOUT_MS);
  };

  beforeAll(async () => {
    const drives = "disk = [ 'serial-grub,raw,hda,rw', ',raw,hdc,r,devtype=cdrom' ]";
    const clock = `rtc_timeoffset = "${RTC_OFFSET_SECONDS}"`;
    await createHvm(name, ['memory = 64', drives, 'boot = "dc"', 'serial = "pty"', clock], 'restart');
    await shell(1);
  }, BOOT_TIMEOUT_MS);
  afterAll(async () => {
    await console.close();
    await ennead('destroy', name);
    await tryEnnead('destroy', 'other');
  });

  it('shows its system the time that the file asks for', async () => {
    const said = await console.command('date', GRUB_PROMPT, COMMAND_TIMEOUT_MS);
    const [, date, time] = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/.exec(said)!;
    const seconds = (Date.parse(`${date}T${time}Z`) - Date.now()) / 1000;
    expect(Math.abs(seconds - RTC_OFFSET_SECONDS)).toBeLessThan(SLACK_SECONDS);
  });

  it('boots the CD that was put in when it is reset, and its disk again when the CD is out', async () => {
    const before = await rowOf(name);
    await ennead('cd-insert', name, 'hdc', 'memtest');
    await ennead('reset', name);
    const title = await picture('memtest-title.png');
    const shown = async () => difference(await screenOf(name).catch(() => NOTHING_YET), title);
    await expect.poll(shown, APPEARS).toBe(0);
    expect((await rowOf(name))?.domid).not.toBe(before?.domid);
    await ennead('cd-eject', name, 'hdc');
    await console.close();
    await ennead('reset', name);
    await shell(2);
  });

  it('goes on while the Qemu VM of another ends; with on_crash = "destroy" that guest is gone, and leaves nothing', async () => {
    await createHvm('other', ['memory = 64', "disk = [ 'grub,qcow2,hda,rw' ]"], 'destroy');
    const [before, guest, qemu] = [await rowOf(name), await rowOf('other'), await rowOf('other-dm')];
    await endQemuVm('other');
    await expect.poll(() => rowOf('other'), APPEARS).toBeUndefined();
    expect(await console.command('echo still here', GRUB_PROMPT, COMMAND_TIMEOUT_MS)).toContain('still here');
    expect((await rowOf(name))?.domid).toBe(before?.domid);
    const { volumes } = (await enneadJson('volume', 'list')) as { volumes: { name: string; attachedTo: number[] }[] };
    expect(volumes.find((volume) => volume.name === 'grub')).toMatchObject({ attachedTo: [] });
    const nodes = (await enneadJson('xenstore', 'ls')) as { path: string }[];
    const trust = (await enneadJson('trust')) as { domid: number }[];
    for (const { domid } of [guest!, qemu!]) {
      expect((await domains()).map((row) => row.domid)).not.toContain(domid);
      expect(trust.map((record) => record.domid)).not.toContain(domid);
      expect(nodes.filter(({ path }) => path.split('/').includes(String(domid)))).toEqual([]);
    }
  });

  it('comes back when its own Qemu VM has ended, with on_crash = "restart"', async () => {
    const before = await rowOf(name);
    await console.close();
    await endQemuVm(name);
    await expect.poll(async () => (await rowOf(name))?.domid ?? before?.domid, APPEARS).not.toBe(before?.domid);
    await shell(3);
  });
});

describe('a Debian without Xen’s drivers', () => {
  let console: GuestConsole;
  const inGuest = (command: string): Promise<string> => console.command(command, PROMPT, COMMAND_TIMEOUT_MS);

  beforeAll(async () => {
    const disk = "disk = [ 'emulated,raw,sda,rw' ]";
    await createHvm('debian-hvm', ['memory = 192', disk, "vif = [ 'model=e1000' ]", 'serial = "pty"', 'boot = "c"']);
    console = new GuestConsole('debian-hvm');
    await console.expect(PROMPT, BOOT_TIMEOUT_MS);
    // bash would scroll longer lines sideways.
    await inGuest('stty columns 250');
  }, BOOT_TIMEOUT_MS);

  afterAll(async () => {
    await console.close();
    await tryEnnead('destroy', 'debian-hvm');
  });

  it('finds a PC: a SATA disk, an e1000 card, and nothing of Xen', async () => {
    expect(await inGuest('cat /sys/block/sda/device/vendor /proc/cmdline')).toMatch(/ATA[\s\S]*xen_nopv/);
    expect(await inGuest('ls /sys/bus/xen/devices | wc -l; lsmod | grep -c ^xen')).toMatch(/\b0\s+0\b/);
    expect(await inGuest('ls /sys/hypervisor/type')).toContain('No such file');
  });

  it('reads back from the disk what it wrote with fsync', () => expectFsyncedFileBack(inGuest));

  it('fetches over HTTP from outside the host, unchanged', async () => {
    await inGuest('modprobe e1000; busybox ip link set eth0 up; udhcpc -q -n -i eth0');
    await expectDownloadUnchanged(inGuest);
  });

  it('hears its power button, which `shutdown` presses, and switches its PC off', async () => {
    await inGuest('modprobe -a button evdev');
    const [, event] = /(event\d+)\/device/.exec(
      await inGuest('grep -l Power.Button /sys/class/input/event*/device/name'),
    )!;
    // From here on Linux keeps what the button says, whenever it is read.
    await inGuest(`exec 3</dev/input/${event}`);
    const gone = ennead('shutdown', '--wait', 'debian-hvm');
    console.send(`head -c ${INPUT_EVENT_BYTES} <&3 >/dev/null && poweroff -f`);
    await gone;
    expect((await domains()).map(({ name }) => name).filter((name) => name.startsWith('debian-hvm'))).toEqual([]);
  });
});

describe('a Debian that finds Xen', () => {
  let console: GuestConsole;
  let head: Buffer;
  let written: string;
  const inGuest = (command: string): Promise<string> => console.command(command, PROMPT, COMMAND_TIMEOUT_MS);

  beforeAll(async () => {
    head = randomBytes(HEAD_BYTES);
    const volume = new Uint8Array(DATA_VOLUME_BYTES);
    volume.set(qcow2(head, DATA_IMAGE_BYTES));
    await importBytes('data', volume);
    const disks = "disk = [ 'emulated,raw,hda,rw', 'kernel,raw,sda,rw', 'data,qcow2,sdb,rw' ]";
    await createHvm('debian-pv', ['memory = 192', disks, "vif = [ 'model=e1000' ]", 'boot = "c"']);
    console = new GuestConsole('debian-pv');
    await console.expect(PROMPT, BOOT_TIMEOUT_MS);
    await inGuest('stty columns 250');
  }, BOOT_TIMEOUT_MS);

  afterAll(async () => {
    await console.close();
    await tryEnnead('destroy', 'debian-pv');
    await ennead('volume', 'delete', 'data');
  });

  it('has had its IDE disk and its card taken away, and uses paravirtual ones in their place', async () => {
    expect(await inGuest('ls /sys/bus/xen/devices; ls /sys/block; cat /proc/mounts')).toMatch(
      /vbd-768\s+vif-0\s+sda\s+sdb\s+xvda[\s\S]*\/dev\/xvda1 \/ /,
    );
    expect(await inGuest('cat /sys/bus/pci/devices/*/class')).not.toContain('0x020000');
  });

  it('reads back from the disk what it wrote with fsync', () => expectFsyncedFileBack(inGuest));

  it('reads an image in qcow2, and what it writes there is in the image afterwards', async () => {
    // Linux names SATA disks as it happens to find them.
    await inGuest(`image=/dev/$(grep -lx ${DATA_IMAGE_BYTES / SECTOR_BYTES} /sys/block/sd*/size | cut -d/ -f4)`);
    expect(await inGuest(`head -c ${HEAD_BYTES} $image | sha256sum`)).toContain(sha256(head));
    await inGuest('head -c 1048576 /dev/urandom > /random');
    [written] = HASH.exec(await inGuest('sha256sum /random'))!;
    for (const mib of WRITTEN_AT_MIB) await inGuest(`dd if=/random of=$image bs=1M seek=${mib} conv=fsync,notrunc`);
  });

  it('fetches over HTTP from outside the host, unchanged', async () => {
    await inGuest('modprobe xen-netfront; busybox ip link set eth0 up; udhcpc -q -n -i eth0');
    await expectDownloadUnchanged(inGuest);
  });

  it('is asked through XenStore to shut down, and does', async () => {
    await ennead('shutdown', '--wait', 'debian-pv');
    expect((await domains()).map(({ name }) => name).filter((name) => name.startsWith('debian-pv'))).toEqual([]);
    const content = contentOf(await exported('data'));
    for (const mib of WRITTEN_AT_MIB) expect(sha256(content.subarray(mib * MIB, (mib + 1) * MIB))).toBe(written);
  });
});
