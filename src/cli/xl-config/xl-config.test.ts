import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseCard, parseDisk, parseDrive, parseVif } from './device-text.ts';
import { generatedFiles, generateParser } from './generate.ts';
import { readGuestConfig } from './guest-config.ts';
import { parseArgument, parseFile } from './parse.ts';
import type { Value } from './syntax.ts';

const EXAMPLES = join(import.meta.dirname, '../../../examples');

test('the committed parser is what its grammar makes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ennead-parser-'));
  try {
    generateParser(folder);
    for (const file of generatedFiles)
      expect(readFileSync(join(import.meta.dirname, file), 'utf8')).toBe(readFileSync(join(folder, file), 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Without places. */
const plain = (value: Value): unknown => (value.kind === 'list' ? value.items.map(plain) : value.text);
const parsed = (text: string): unknown[] =>
  parseFile(text, 'f').map(({ name, operator, value }) => [name, operator, plain(value)]);

test.each([
  ['nothing', '', []],
  ['only a comment', '# nothing', []],
  ['empty lines and blanks', '\n \t\n', []],
  ['a string in double quotes', 'name = "web"', [['name', '=', 'web']]],
  ['a string in single quotes', 'name=\'it is "web"\'', [['name', '=', 'it is "web"']]],
  ['a number', 'memory=0x100', [['memory', '=', '0x100']]],
  [
    'two settings on a line',
    'a=1;b=2 ; c = 3;',
    [
      ['a', '=', '1'],
      ['b', '=', '2'],
      ['c', '=', '3'],
    ],
  ],
  [
    'carriage returns',
    'a=1\r\nb=2\r\n',
    [
      ['a', '=', '1'],
      ['b', '=', '2'],
    ],
  ],
  [
    'a comment behind a setting',
    'a=1 # one\nb="#2"',
    [
      ['a', '=', '1'],
      ['b', '=', '#2'],
    ],
  ],
  ['an addition', 'a+=1', [['a', '+=', '1']]],
  ['an empty list', 'vif=[]', [['vif', '=', []]]],
  ['a list over lines', 'disk = [ # disks\n "a" ,\n\n \'b\', # last\n]\n', [['disk', '=', ['a', 'b']]]],
  ['a list in a list', 'x=[["a"],[1,2,],]', [['x', '=', [['a'], ['1', '2']]]]],
  ['escapes', 'a="\\x41\\n\\t\\"\\\\\\101"', [['a', '=', 'A\n\t"\\A']]],
  ['dots and digits in keys', 'x.y_2=1', [['x.y_2', '=', '1']]],
])('xl.cfg allows %s', (_name, text, expected) => {
  expect(parsed(text)).toEqual(expected);
});

test.each([
  ['name = ', '1:8: expected a value ("…", a number or […]), found the end'],
  ['name "web"', '1:6: expected =, found "\\""'],
  ['a=1\nname = web', '2:8: expected a value ("…", a number or […]), found "w"'],
  ['a = "open\n', '1:10: expected "\\"", found the end of the line'],
  ['a=1 b=2', '1:5: expected the end of the file or the end of the line, found "b"'],
  ['a = [ "x" "y" ]', '1:11: expected "," or "]" or the end of the line, found "\\""'],
  ['Name = "web"', '1:1: expected a key or the end of the file or the end of the line, found "N"'],
  ['memory = -1', '1:10: expected a value ("…", a number or […]), found "-"'],
])('%j is malformed, and the place is named', (text, message) => {
  expect(() => parseFile(text, 'g.cfg')).toThrow(`g.cfg:${message}`);
});

test.each([
  ['memory=256', '256'],
  ['name=web', 'web'],
  ['name="web"', 'web'],
  ['extra=console=hvc0 quiet', 'console=hvc0 quiet'],
  ["disk=['a,raw,xvda,w']", ['a,raw,xvda,w']],
])('argument %j is understood', (argument, value) => {
  expect(plain(parseArgument(argument).value)).toEqual(value);
});

test.each(['memory', '=1', 'vif=["x"', "name='web"])('argument %j is refused', (argument) => {
  expect(() => parseArgument(argument)).toThrow(`argument ${JSON.stringify(argument)}: `);
});

test.each([
  ['root,raw,xvda,rw', { vdev: 'xvda', volume: 'root', access: 'w' }],
  ['root,,xvda', { vdev: 'xvda', volume: 'root', access: 'w' }],
  ['phy:root,xvda,r', { vdev: 'xvda', volume: 'root', access: 'r' }],
  ['vdev=xvdb,access=ro,target=data', { vdev: 'xvdb', volume: 'data', access: 'r' }],
  [' format=raw , vdev=/dev/sda1 , access=w , target=data', { vdev: 'sda1', volume: 'data', access: 'w' }],
  ['root, raw, xvda, devtype=disk', { vdev: 'xvda', volume: 'root', access: 'w' }],
])('disk %j is understood', (text, device) => {
  expect(parseDisk(text)).toEqual({ device, ignored: [] });
});

test.each([
  ['/dev/sda,raw,xvda,w', /is not the name of a volume/],
  ['target=a,b', /target "a,b" is not the name/],
  ['root,qcow2,xvda,w', /format qcow2 is not supported/],
  ['root,raw,vda,w', /no virtual disk is called vda/],
  ['root,raw,xvda,x', /access x is neither/],
  ['root,raw', /no virtual device/],
  ['root,raw,hdc:cdrom,r', /CD drives are for guests of type hvm/],
  ['root,raw,xvda,devtype=cdrom', /CD drives are for guests of type hvm/],
  ['', /is not the name of a volume/],
])('disk %j is refused', (text, error) => {
  expect(parseDisk(text).error).toMatch(error);
});

test('what is passed over in a disk or an interface is named', () => {
  expect(parseDisk('root,raw,xvda,rw,backendtype=phy,discard').ignored).toEqual(['backendtype', 'discard']);
  expect(parseVif('mac=00:16:3E:12:34:56,model=e1000,script=x')).toEqual({
    device: { mac: '00:16:3e:12:34:56' },
    ignored: ['model', 'script'],
  });
});

test.each([
  ['mac=00:16:3e:12:34', /not a unicast address/],
  ['mac=01:16:3e:12:34:56', /not a unicast address/],
  ['bridge=br1', /^bridge "br1" does not exist: the only one is xenbr0$/],
])('interface %j is refused', (text, error) => {
  expect(parseVif(text).error).toMatch(error);
});

const withCommandLine = (cmdline: string) => ({ cmdline });
const MINIMAL = 'name="web"\nmemory=64\n';

test('a minimal file boots from its own disk through PV GRUB', () => {
  expect(readGuestConfig(MINIMAL, 'f')).toEqual({
    config: {
      name: 'web',
      memoryMib: 64,
      vcpus: 1,
      boot: { type: 'pv', kernel: 'pvgrub', cmdline: '' },
      disks: [],
      vifs: [],
      onPoweroff: 'destroy',
      onReboot: 'restart',
      onCrash: 'destroy',
    },
    warnings: [],
  });
});

test.each([
  ['extra and root together', 'root="/dev/xvda"\nextra="quiet"', [], { boot: withCommandLine('root=/dev/xvda quiet') }],
  ['cmdline alone', 'cmdline="a=b"\nextra="quiet"', [], { boot: withCommandLine('a=b') }],
  [
    'additions',
    'extra="a"\nextra+=" b"\nvif=[""]\nvif+=["bridge=xenbr0"]',
    [],
    { boot: withCommandLine('a b'), vifs: [{}, { bridge: 'xenbr0' }] },
  ],
  ['numbers in quotes, octal and hexadecimal', 'vcpus="2"\nmemory=0100', ['memory=0x80'], { vcpus: 2, memoryMib: 128 }],
  ['arguments that count more', 'vcpus=2', ['vcpus=4', 'name=other'], { vcpus: 4, name: 'other' }],
  ['arguments that add', 'extra="a"', ['extra+= b'], { boot: withCommandLine('ab') }],
  [
    'actions',
    'on_poweroff="preserve"\non_reboot="destroy"\non_crash="restart"',
    [],
    { onPoweroff: 'preserve', onReboot: 'destroy', onCrash: 'restart' },
  ],
])('%s', (_name, text, overrides, expected) => {
  expect(readGuestConfig(`${MINIMAL}${text}\n`, 'f', overrides).config).toMatchObject(expected);
});

test.each([
  ['memory=64', 'f: name is missing'],
  ['name="web"', 'f: memory is missing'],
  ['name="a b"\nmemory=64', 'f:1:6: name must be up to 63 letters'],
  ['name="a"\nmemory="x"', 'f:2:8: memory "x" is not a number'],
  ['name="a"\nmemory=4', 'f:2:8: memory must be between 8 and 65536 (MiB)'],
  ['name="a"\nmemory=[1]', 'f:2:8: memory is a list where a single value belongs'],
  [`${MINIMAL}type="xen"`, 'f:3:6: type xen is not supported: pv, pvh and hvm are'],
  [`${MINIMAL}builder="xen"`, 'f:3:9: builder xen is not supported: generic, linux (both for type pv) and hvm are'],
  [`${MINIMAL}disk="x"`, 'f:3:6: disk is not a list'],
  [`${MINIMAL}disk=["a,raw,xvda,w",\n  "b,qcow2,xvdb,w"]`, 'f:4:3: disk format qcow2 is not supported'],
  [`${MINIMAL}vif=["bridge=br1"]`, 'f:3:6: vif bridge "br1" does not exist: the only one is xenbr0'],
  [`${MINIMAL}vif=[1]`, 'f:3:6: vif holds something that is not a string'],
  [`${MINIMAL}on_crash="burn"`, 'f:3:10: on_crash burn is not one of destroy, restart, preserve'],
  [`${MINIMAL}extra="a"\nextra+=["b"]`, 'f:4:8: extra: a list and a single value cannot be added'],
  [`${MINIMAL}kernel="/boot/vmlinuz"`, "f:3:8: kernel must be a name in Builder's list"],
])('%j is refused, and the place is named', (text, message) => {
  expect(() => readGuestConfig(text, 'f')).toThrow(message);
});

test('a guest of type pvh is described as one of type pv is', () => {
  const text = 'kernel="core"\nramdisk="probe"\nextra="quiet"\ndisk=["root,raw,xvda,rw"]\nvif=[""]\n';
  const pv = readGuestConfig(`${MINIMAL}${text}`, 'f').config;
  expect(readGuestConfig(`${MINIMAL}type="pvh"\n${text}`, 'f')).toEqual({
    config: { ...pv, boot: { ...pv.boot, type: 'pvh' } },
    warnings: [],
  });
});

test('without a kernel a guest of type pvh boots from its own disk, and what only an emulated PC has is passed over in words', () => {
  const { config, warnings } = readGuestConfig(`${MINIMAL}type="pvh"\nvga="stdvga"\nvnc=1\n`, 'f');
  expect(config.boot).toEqual({ type: 'pvh', kernel: 'pvgrub', cmdline: '' });
  expect(warnings).toEqual(['f:4: key vga is not known and is ignored', 'f:5: key vnc is not known and is ignored']);
});

test('a wrong argument is named as one', () => {
  expect(() => readGuestConfig(MINIMAL, 'f', ['memory=lots'])).toThrow(
    'argument "memory=lots": memory "lots" is not a number',
  );
});

test('what is not known or not used is a warning with its line', () => {
  const text = `${MINIMAL}usb=1\nmaxmem=128\ncmdline="x"\nroot="/dev/xvda"\nvif=["model=e1000"]\n`;
  expect(readGuestConfig(text, 'f', ['boot=c']).warnings).toEqual([
    'f:4: maxmem is ignored: the memory of a guest is fixed',
    'f:6: root is ignored: cmdline is given',
    'f:7: vif parameter model is not known and is ignored',
    'f:3: key usb is not known and is ignored',
    'argument "boot=c": key boot is not known and is ignored',
  ]);
});

test.each([
  ['win,raw,hda,rw', { vdev: 'hda', volume: 'win', access: 'w', cdrom: false, format: 'raw' }],
  ['win,qcow2,sdb,w', { vdev: 'sdb', volume: 'win', access: 'w', cdrom: false, format: 'qcow2' }],
  ['phy:win,hda,w', { vdev: 'hda', volume: 'win', access: 'w', cdrom: false, format: 'raw' }],
  ['iso,raw,hdc:cdrom,r', { vdev: 'hdc', volume: 'iso', access: 'r', cdrom: true, format: 'raw' }],
  ['file:iso,hdc:cdrom,w', { vdev: 'hdc', volume: 'iso', access: 'r', cdrom: true, format: 'raw' }],
  ['iso,raw,hdc,r,cdrom', { vdev: 'hdc', volume: 'iso', access: 'r', cdrom: true, format: 'raw' }],
  ['cdrom,raw,hda', { vdev: 'hda', volume: 'cdrom', access: 'w', cdrom: false, format: 'raw' }],
  [',raw,hdc,r,devtype=cdrom', { vdev: 'hdc', volume: null, access: 'r', cdrom: true, format: 'raw' }],
  ['vdev=hdd,devtype=cdrom,access=ro,target=', { vdev: 'hdd', volume: null, access: 'r', cdrom: true, format: 'raw' }],
  ['vdev=hdd,devtype=cdrom,format=empty', { vdev: 'hdd', volume: null, access: 'r', cdrom: true, format: 'raw' }],
])('drive %j is understood', (text, device) => {
  expect(parseDrive(text)).toEqual({ device, ignored: [] });
});

test.each([
  ['win,raw,xvda,w', /no drive is called xvda: there are hda to hdd \(IDE\) and sda to sdf/],
  ['win,raw,hda1,w', /no drive is called hda1/],
  ['win,vhd,hda,w', /format vhd is not supported: raw and qcow2 are/],
  [',raw,hda,w', /only a CD drive can do without/],
  ['/root/win.img,raw,hda,w', /is not the name of a volume/],
  ['win,raw,hda,x', /access x is neither/],
  ['win,raw,hda,r', /access r is for CD drives \(devtype=cdrom\): an emulated disk is rw/],
  ['win,raw', /no virtual device \(vdev=hda\)/],
])('drive %j is refused', (text, error) => {
  expect(parseDrive(text).error).toMatch(error);
});

test.each([
  ['', { model: 'rtl8139' }],
  ['model=e1000,mac=00:16:3E:12:34:56,type=ioemu', { model: 'e1000', mac: '00:16:3e:12:34:56' }],
  ['model=virtio-net,bridge=xenbr0', { model: 'virtio-net', bridge: 'xenbr0' }],
  ['model=virtio', { model: 'virtio-net' }],
  ['type=vif', { model: null }],
])('card %j is understood', (text, device) => {
  expect(parseCard(text)).toEqual({ device, ignored: [] });
});

test.each([
  ['model=ne2k_pci', /model ne2k_pci is not one of e1000, rtl8139, virtio-net/],
  ['type=pv', /type pv is neither ioemu \(emulated\) nor vif/],
  ['mac=01:16:3e:12:34:56', /not a unicast address/],
])('card %j is refused', (text, error) => {
  expect(parseCard(text).error).toMatch(error);
});

const HVM = `${MINIMAL}type="hvm"\n`;
const machine = {
  boot: 'cd',
  vga: 'stdvga',
  usbTablet: false,
  serial: false,
  xenPlatform: true,
  drives: [],
  cards: [],
};
const pc = {
  type: 'hvm',
  firmware: 'seabios',
  videoMib: 16,
  acpi: true,
  apic: true,
  hpet: true,
  clockOffsetSeconds: 0,
  machine,
};

test.each([
  ['type hvm alone', HVM, pc],
  ['the older word for it', `${MINIMAL}builder="hvm"\n`, pc],
  ['cirrus', `${HVM}vga="cirrus"\n`, { ...pc, videoMib: 8, machine: { ...machine, vga: 'cirrus' } }],
  ['no stdvga', `${HVM}stdvga=0\nvideoram=32\n`, { ...pc, videoMib: 32, machine: { ...machine, vga: 'cirrus' } }],
  ['no card', `${HVM}vga="none"\nvideoram=16\n`, { ...pc, videoMib: 0, machine: { ...machine, vga: 'none' } }],
  ['a tablet', `${HVM}usb=1\nusbdevice="tablet"\n`, { ...pc, machine: { ...machine, usbTablet: true } }],
  ['a list of a tablet', `${HVM}usb=1\nusbdevice=["tablet"]\n`, { ...pc, machine: { ...machine, usbTablet: true } }],
  ['no device of Xen’s', `${HVM}xen_platform_pci=0\n`, { ...pc, machine: { ...machine, xenPlatform: false } }],
  ['a serial port', `${HVM}serial="pty"\n`, { ...pc, machine: { ...machine, serial: true } }],
  ['a list of a serial port', `${HVM}serial=["pty"]\n`, { ...pc, machine: { ...machine, serial: true } }],
  ['boot order', `${HVM}boot="ndc"\n`, { ...pc, machine: { ...machine, boot: 'ndc' } }],
  ['less firmware', `${HVM}acpi=0\napic=0\nhpet=0\nbios="seabios"\n`, { ...pc, acpi: false, apic: false, hpet: false }],
])('a PC is emulated as the file says: %s', (_name, text, boot) => {
  expect(readGuestConfig(text, 'f')).toMatchObject({ config: { boot, disks: [], vifs: [] }, warnings: [] });
});

test.each([
  ['', 0],
  ['localtime=1', 7200],
  ['rtc_timeoffset=3600', 3600],
  ['rtc_timeoffset="-3600"', -3600],
  ['localtime=1\nrtc_timeoffset="-60"', 7140],
])('with %j, of an operator two hours before UTC, the clock is %i s before it', (text, clockOffsetSeconds) => {
  expect(readGuestConfig(`${HVM}${text}\n`, 'f', [], 7200).config.boot).toMatchObject({ clockOffsetSeconds });
});

test.each([
  ['hda', false],
  ['sda', true],
])('an image in qcow2 on %s: whether the guest finds Xen is %s, if the file does not say', (vdev, xenPlatform) => {
  const { config } = readGuestConfig(`${HVM}disk=["win,qcow2,${vdev},w"]\n`, 'f');
  expect(config.boot).toMatchObject({ machine: { xenPlatform } });
});

test('drives and cards belong to the emulated PC', () => {
  const text = `${HVM}disk=["win,qcow2,hda,w",",raw,hdc,r,cdrom"]\nvif=["model=e1000"]\n`;
  const { config } = readGuestConfig(text, 'f');
  expect(config.boot).toMatchObject({
    machine: { drives: [{ vdev: 'hda' }, { vdev: 'hdc', volume: null }], cards: [{ model: 'e1000' }] },
  });
});

test.each([
  ['bios="ovmf"', "f:4:6: bios ovmf is not supported: Debian's package ovmf holds no build for Xen; seabios is"],
  ['vga="qxl"', 'f:4:5: vga qxl is not one of stdvga, cirrus, none'],
  ['videoram=8', 'f:4:10: videoram 8 is not one of 16, 32, 64 (MiB), which vga stdvga can have'],
  ['boot="cda"', 'f:4:6: boot "cda" is not made of c (disk), d (CD) and n (network), each once'],
  ['boot="cc"', 'f:4:6: boot "cc" is not made of'],
  ['usbdevice="mouse"', 'f:4:11: usbdevice mouse is not supported: only tablet is'],
  ['serial="/dev/ttyS0"', 'f:4:8: serial /dev/ttyS0 is not supported: pty is'],
  ['serial=["pty","pty"]', 'f:4:8: serial names more than one port'],
  ['rtc_timeoffset="1h"', 'f:4:16: rtc_timeoffset "1h" is not a number'],
  ['rtc_timeoffset=3000000000', 'f:4:16: rtc_timeoffset must be between -2147483647 and 2147483647 (seconds)'],
  ['acpi=2', 'f:4:6: acpi 2 is neither 0 nor 1'],
  ['disk=["a,raw,xvda,w"]', 'f:4:7: disk no drive is called xvda'],
  ['vif=["model=ne2k"]', 'f:4:6: vif model ne2k is not one of'],
  [`vif=[${'"",'.repeat(9)}]`, 'f:4:5: vif must be at most 8 network cards'],
])('for a PC %j is refused, and the place is named', (text, message) => {
  expect(() => readGuestConfig(`${HVM}${text}`, 'f')).toThrow(message);
});

test('what a PC of Ennead does not have or does otherwise is a warning', () => {
  const text = `${HVM}builder="linux"\nvnc=1\nvnclisten="0.0.0.0"\nsdl=0\nspice=1\ndevice_model_version="qemu-xen"\nkernel="/k"\nxen_platform_pci=1\nhap=1\n`;
  expect(readGuestConfig(text, 'f').warnings).toEqual([
    'f:4: builder is ignored: type is hvm',
    'f:6: vnclisten is ignored: no port listens anywhere; to see the screen: ennead vnc',
    'f:8: spice is ignored: the screen is shown by: ennead vnc',
    'f:9: device_model_version is ignored: a guest of type hvm has a Qemu VM of its own',
    'f:10: kernel is ignored: a guest of type hvm boots from its drives',
    'f:12: key hap is not known and is ignored',
  ]);
});

test.each(readdirSync(EXAMPLES))('example %s is understood without a warning', (file) => {
  expect(readGuestConfig(readFileSync(join(EXAMPLES, file), 'utf8'), file).warnings).toEqual([]);
});
