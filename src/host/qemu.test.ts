import { describe, expect, it } from 'vitest';
import { hostDirectoryAt } from './host-directory.ts';
import { hardwareVirtualisation, type MachineOptions, qemuArguments } from './qemu.ts';

const MACHINE: MachineOptions = { memoryMib: 2048, cpus: 1, sshPort: 2222, iommu: true };
const IMAGES = { xen: '/i/xen', kernel: '/i/kernel', initrd: '/i/initrd', policy: '/i/policy' };

const argumentsFor = (changes: Partial<MachineOptions> = {}, kvm = false): string[] =>
  qemuArguments(hostDirectoryAt('/h'), IMAGES, { ...MACHINE, ...changes }, kvm);

/** What follows each use of an option. */
const valuesOf = (option: string, argv: readonly string[]): string[] =>
  argv.filter((_, index) => argv[index - 1] === option);

describe('what the machine listens on', () => {
  it("is one port of the loopback address, which leads to Toolstack's SSH server", () => {
    expect(valuesOf('-netdev', argumentsFor())).toEqual(['user,id=net,hostfwd=tcp:127.0.0.1:2222-10.0.2.10:22']);
  });

  it('is nothing where no port is given, and the network leads nowhere', () => {
    const argv = argumentsFor({ sshPort: null });
    expect(valuesOf('-netdev', argv)).toEqual(['user,id=net,restrict=on']);
    expect(argv.join(' ')).not.toMatch(/hostfwd|guestfwd|tcp:/);
  });

  it('is otherwise only the serial line and the monitor, sockets in the folder of the host', () => {
    const listening = argumentsFor().filter((argument) => argument.includes('server=on'));
    expect(listening).toEqual([
      'socket,id=serial,path=/h/serial.sock,server=on,wait=off,logfile=/h/serial.log',
      'socket,id=monitor,path=/h/monitor.sock,server=on,wait=off',
    ]);
    expect(argumentsFor()).toContain('-nodefaults');
  });
});

describe('the IOMMU', () => {
  it('is there, with interrupt remapping; KVM then leaves interrupts to QEMU', () => {
    expect(valuesOf('-device', argumentsFor())).toContain('intel-iommu,intremap=on,eim=off');
    expect(valuesOf('-machine', argumentsFor({}, true))).toEqual(['q35,sata=off,kernel-irqchip=split']);
  });

  it('is not there when it is not wanted', () => {
    expect(argumentsFor({ iommu: false }).join(' ')).not.toContain('iommu,');
    expect(valuesOf('-machine', argumentsFor({ iommu: false }, true))).toEqual(['q35,sata=off']);
  });
});

describe('the processor', () => {
  it('is emulated without the features that break PV guests or slow them down', () => {
    const argv = argumentsFor();
    expect(valuesOf('-accel', argv)).toEqual(['tcg,thread=multi']);
    for (const feature of ['smap', 'smep', 'xsave', 'erms'])
      expect(valuesOf('-cpu', argv)[0]).toContain(`${feature}=off`);
  });

  it('keeps AMD-V, emulated too: HVM guests need it', () => {
    expect(valuesOf('-cpu', argumentsFor())[0]).toMatch(/^max,(?!.*(svm|npt)=off)/);
  });

  it('is emulated by one thread when its instructions are counted, with KVM too', () => {
    const argv = argumentsFor({ countInstructions: true }, true);
    expect(valuesOf('-accel', argv)).toEqual(['tcg,thread=single']);
    expect(valuesOf('-icount', argv)).toEqual(['shift=2,sleep=off']);
  });

  it('is the real one with KVM', () => {
    const argv = argumentsFor({}, true);
    expect(valuesOf('-accel', argv)).toEqual(['kvm']);
    expect(valuesOf('-cpu', argv)).toEqual(['host']);
  });

  it.each([
    ['VT-x', 'flags\t\t: fpu vmx sse2', true, true],
    ['AMD-V', 'flags\t\t: fpu svm sse2', true, true],
    ['a /dev/kvm without either flag', 'flags\t\t: fpu sse2\nvmx flags\t: none', true, false],
    ['a flag that only begins like one', 'flags\t\t: fpu svm_lock', true, false],
    ['no usable /dev/kvm', 'flags\t\t: fpu vmx sse2', false, false],
  ])('with %s', (_name, cpuInfo, kvmUsable, used) => {
    expect(hardwareVirtualisation({ cpuInfo, kvmUsable })).toBe(used);
  });
});

it("the disk tells the host of a failed write, so that an operator's full disk does not stop the machine", () => {
  const [drive] = valuesOf('-drive', argumentsFor());
  expect(drive).toMatch(/^file=\/h\/disk\.raw,.*,werror=report,rerror=report$/);
});

it('Xen gets the kernel with its command line, the initramfs and the policy, in this order', () => {
  expect(valuesOf('-initrd', argumentsFor())[0]).toMatch(/^\/i\/kernel console=hvc0 .*,\/i\/initrd,\/i\/policy$/);
});
