/** Systems that know nothing of Xen, unmodified, each on a PC that its own Qemu VM emulates. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSteps } from '../../../src/image/images.ts';
import { GRUB_DISK, grubShell, MEMTEST_CD, memtest } from '../../hvm-guests/boot-media.ts';
import { EMULATED_DEBIAN, emulatedDebian } from '../../hvm-guests/emulated-debian.ts';
import { GuestConsole } from '../console.ts';
import { ennead, enneadJson, tryEnnead } from '../ennead.ts';
import { tryCreate } from '../guest-file.ts';
import { outsideServer } from '../outside-server.ts';
import { decodePng, difference, type Picture, screenOf } from '../screen.ts';
import { VncViewer } from '../vnc-viewer.ts';

const PICTURES = join(import.meta.dirname, '..', '..', 'hvm-guests', 'pictures');
const DOWNLOAD_BYTES = 4 * 1024 * 1024;
const FILE_MIB = 8;
const BOOT_TIMEOUT_MS = 300_000;
const COMMAND_TIMEOUT_MS = 120_000;
const APPEARS = { timeout: 180_000, interval: 2_000 };
/** @source Linux include/uapi/linux/input.h, struct input_event on x86-64 */
const INPUT_EVENT_BYTES = 24;
/** Of GRUB's shell: below what it says of itself. */
const FIRST_LINE = { x: 0, y: 128 };
const PROMPT = /root@emulated:~# /;

interface Row {
  name: string;
  domid: number;
  state: string;
}

const picture = async (name: string): Promise<Picture> => decodePng(await readFile(join(PICTURES, name)));
const rows = async (): Promise<Row[]> => (await enneadJson('list')) as Row[];

async function createHvm(name: string, lines: readonly string[]): Promise<void> {
  const common = [`name = "${name}"`, 'type = "hvm"', 'vcpus = 1', 'on_crash = "preserve"'];
  const { status, stderr } = await tryCreate([...common, ...lines, ''].join('\n'));
  if (status !== 0) throw new Error(`the guest ${name} was not created (${status}): ${stderr}`);
}

const cd = (volume: string): string => `disk = [ '${volume},raw,hdc,r,devtype=cdrom' ]`;

beforeAll(async () => {
  const { made } = await buildSteps([memtest, grubShell, emulatedDebian], {});
  await ennead('volume', 'import', 'memtest', made.get(memtest)!.path(MEMTEST_CD));
  await ennead('volume', 'import', 'grub', made.get(grubShell)!.path(GRUB_DISK));
  await ennead('volume', 'import', 'emulated', made.get(emulatedDebian)!.path(EMULATED_DEBIAN));
}, BOOT_TIMEOUT_MS);

afterAll(async () => {
  for (const volume of ['memtest', 'grub', 'emulated']) await ennead('volume', 'delete', volume);
});

describe('memtest86+ from Debian, on a CD', () => {
  beforeAll(() => createHvm('memtest', ['memory = 64', cd('memtest'), 'boot = "d"']));
  afterAll(() => ennead('destroy', 'memtest'));

  it('is on the screen', async () => {
    const title = await picture('memtest-title.png');
    await expect.poll(async () => difference(await screenOf('memtest'), title), APPEARS).toBe(0);
  });

  it('has its Qemu VM in the list, under xl’s name for it', async () => {
    const names = (await rows()).map(({ name }) => name);
    expect(names).toContain('memtest');
    expect(names).toContain('memtest-dm');
  });
});

describe('GRUB’s shell', () => {
  beforeAll(() => createHvm('grub', ['memory = 64', "disk = [ 'grub,raw,hda,rw' ]", 'boot = "c"']));
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

  it('reads back from the disk what it wrote with fsync', async () => {
    await inGuest(`dd if=/dev/urandom of=/written bs=1M count=${FILE_MIB} conv=fsync`);
    const hash = /[0-9a-f]{64}/;
    const [before] = hash.exec(await inGuest('sha256sum /written'))!;
    await inGuest('echo 3 > /proc/sys/vm/drop_caches');
    expect(await inGuest('sha256sum /written')).toContain(before);
  });

  it('fetches over HTTP from outside the host, unchanged', async () => {
    const server = await outsideServer(DOWNLOAD_BYTES);
    try {
      await inGuest('modprobe e1000; busybox ip link set eth0 up; udhcpc -q -n -i eth0');
      expect(await inGuest(`busybox wget -q -O - ${server.url} | sha256sum`)).toContain(server.sha256);
    } finally {
      await server.close();
    }
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
    expect((await rows()).map(({ name }) => name).filter((name) => name.startsWith('debian-hvm'))).toEqual([]);
  });
});
