import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { type Machine, machine as machineSchema } from '../../contracts/device-model.ts';
import { QEMU_PROGRAM } from '../../contracts/qemu-volume.ts';
import { qemuArguments } from './command-line.ts';
import { pc } from './testing/machines.ts';

/** The values of one option, in order. */
const valuesOf = (argv: readonly string[], option: string): string[] =>
  argv.flatMap((word, index) => (word === option ? [argv[index + 1] ?? ''] : []));

const devices = (argv: readonly string[]) =>
  valuesOf(argv, '-device').map((text) => JSON.parse(text) as Record<string, unknown>);

const OPTIONS = new Set(
  [
    ...['xen-domid', 'xen-domid-restrict', 'machine', 'nodefaults', 'no-user-config', 'name', 'm', 'smp', 'L', 'rtc'],
    ...['boot', 'qmp', 'display', 'vnc', 'device', 'chardev', 'blockdev', 'drive', 'netdev'],
  ].map((name) => `-${name}`),
);
const WITHOUT_VALUE = new Set(['-xen-domid-restrict', '-nodefaults', '-no-user-config']);

/** Whatever the contract's schema lets through, and a good deal that it does not: strings are of any characters. */
const anyText = fc.string({ unit: 'binary', maxLength: 40 });
const nasty = fc.oneof(anyText, fc.constantFrom(',script=/bin/sh', '-monitor', 'a,b=c', '"}', '%s', '\n-S'));
const anyMachine: fc.Arbitrary<Machine> = fc.record({
  guest: fc.nat(0x7fef),
  name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/),
  memoryMib: fc.integer({ min: 8, max: 65_536 }),
  videoMib: fc.nat(64),
  vcpus: fc.integer({ min: 1, max: 32 }),
  choices: fc.record({
    boot: fc.stringMatching(/^[cdn]{1,3}$/),
    vga: fc.constantFrom('stdvga', 'cirrus', 'none'),
    usbTablet: fc.boolean(),
    serial: fc.boolean(),
    xenPlatform: fc.boolean(),
  }),
  drives: fc.array(
    fc.record({
      name: fc.stringMatching(/^(hd[a-d]|sd[a-f])$/),
      device: fc.option(nasty),
      cdrom: fc.boolean(),
      format: fc.constantFrom('raw', 'qcow2'),
      readOnly: fc.boolean(),
    }),
    { maxLength: 10 },
  ),
  cards: fc.array(
    fc.record({ index: fc.nat(7), mac: nasty, model: fc.constantFrom('e1000', 'rtl8139', 'virtio-net') }),
    { maxLength: 8 },
  ),
});

/** Of a value of `-drive`, in which no option may follow it. */
const fileOf = (drive: string): string => {
  const [, name = ''] = /,file\.filename=((?:[^,]|,,)*)$/.exec(drive) ?? [];
  return name.replaceAll(',,', ',');
};

describe('qemuArguments()', () => {
  it('gives options of its own only, whatever the values are', () => {
    fc.assert(
      fc.property(anyMachine, (machine) => {
        const [program, ...words] = qemuArguments(machine);
        expect(program).toBe(QEMU_PROGRAM);
        for (let at = 0; at < words.length; at += WITHOUT_VALUE.has(words[at]!) ? 1 : 2)
          expect(OPTIONS).toContain(words[at]);
      }),
    );
  });

  it('puts disks and addresses into JSON, where they stay one value', () => {
    fc.assert(
      fc.property(anyMachine, (machine) => {
        const argv = qemuArguments(machine);
        const blocks = valuesOf(argv, '-blockdev').map((text) => JSON.parse(text));
        const disks = machine.drives.flatMap(({ device }) => (device === null ? [] : [`/dev/${device}`]));
        const names = blocks.map((block) => block.filename ?? block.file.filename);
        expect([...names, ...valuesOf(argv, '-drive').map(fileOf)].sort()).toEqual(disks.sort());
        for (const text of valuesOf(argv, '-netdev')) expect(JSON.parse(text)).toMatchObject({ script: 'no' });
        const macs = devices(argv).flatMap(({ mac }) => (mac === undefined ? [] : [mac]));
        expect(macs).toEqual(machine.cards.map(({ mac }) => mac));
      }),
    );
  });

  it('writes the words of the contract without a comma or a blank, so that none ends where QEMU splits', () => {
    fc.assert(
      fc.property(anyMachine, (machine) => {
        fc.pre(z.safeParse(machineSchema, machine).success);
        const argv = qemuArguments(machine);
        for (const option of ['-name', '-m', '-smp', '-boot', '-xen-domid'])
          expect(valuesOf(argv, option).join()).toMatch(/^[A-Za-z0-9_.=-]+$/);
      }),
      { numRuns: 30 },
    );
  });

  it('restricts QEMU to the guest, and gives it no devices but those that are said', () => {
    const argv = qemuArguments(pc());
    expect(valuesOf(argv, '-xen-domid')).toEqual(['16']);
    for (const word of ['-xen-domid-restrict', '-nodefaults', '-no-user-config']) expect(argv).toContain(word);
    expect(devices(argv).map(({ driver }) => driver)).toEqual(['VGA', 'isa-serial', 'ide-hd', 'ide-cd', 'e1000']);
  });

  it('gives the guest the device by which its disks are taken away only where it is asked for', () => {
    const argv = qemuArguments({ ...pc(), choices: { ...pc().choices, xenPlatform: true } });
    expect(devices(argv)[0]).toEqual({ driver: 'xen-platform' });
    expect(valuesOf(argv, '-drive').map(fileOf)).toEqual(['/dev/xvda']);
  });

  it('puts drives where the guest expects them: master and slave on two IDE cables, SATA behind a controller', () => {
    const drives = ['hda', 'hdb', 'hdc', 'hdd', 'sdc'].map((name) => ({ ...pc().drives[0]!, name }));
    const argv = qemuArguments({ ...pc(), drives, cards: [] });
    expect(devices(argv).filter(({ id }) => String(id).startsWith('drive'))).toMatchObject([
      { bus: 'ide.0', unit: 0 },
      { bus: 'ide.0', unit: 1 },
      { bus: 'ide.1', unit: 0 },
      { bus: 'ide.1', unit: 1 },
      { bus: 'ahci.2' },
    ]);
    expect(devices(argv)).toContainEqual({ driver: 'ich9-ahci', id: 'ahci' });
  });

  it('an image in qcow2 names no file that it is based on', () => {
    const drives = [{ ...pc().drives[0]!, format: 'qcow2' as const }];
    const [block] = valuesOf(qemuArguments({ ...pc(), drives }), '-blockdev');
    expect(JSON.parse(block!)).toMatchObject({ driver: 'qcow2', backing: null, file: { filename: '/dev/xvda' } });
  });

  it('a CD cannot be written, and a drive without a medium has none', () => {
    const cd = { name: 'hdc', device: 'xvdc', cdrom: true, format: 'raw', readOnly: false } as const;
    const [block] = valuesOf(qemuArguments({ ...pc(), drives: [cd] }), '-blockdev');
    expect(JSON.parse(block!)).toMatchObject({ 'read-only': true });
    const empty = qemuArguments({ ...pc(), drives: [{ ...cd, device: null }] });
    expect(valuesOf(empty, '-blockdev')).toEqual([]);
    expect(devices(empty)).toContainEqual({ driver: 'ide-cd', id: 'drive-hdc', bus: 'ide.1', unit: 0 });
  });

  it('a card has a ROM only where the machine may boot from the network', () => {
    const romOf = (boot: string) =>
      devices(qemuArguments({ ...pc(), choices: { ...pc().choices, boot } })).find(({ mac }) => mac)?.romfile;
    expect([romOf('cd'), romOf('cn')]).toEqual(['', 'pxe-e1000.rom']);
  });

  it('a machine without a screen has no VNC', () => {
    const argv = qemuArguments({ ...pc(), choices: { ...pc().choices, vga: 'none' } });
    expect(valuesOf(argv, '-vnc')).toEqual([]);
    expect(devices(argv).map(({ driver }) => driver)).not.toContain('VGA');
  });
});
