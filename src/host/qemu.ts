/** The virtual host as a QEMU command line: a PC with an IOMMU, one storage and one network controller, and Xen as its kernel. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { manifest as bootstrapper } from '../services/bootstrapper/manifest.ts';
import type { HostDirectory } from './host-directory.ts';

export interface MachineImages {
  readonly xen: string;
  /** Domain 0's kernel: Bootstrapper. */
  readonly kernel: string;
  readonly initrd: string;
  readonly policy?: string;
}

export interface MachineOptions {
  readonly memoryMib: number;
  readonly cpus: number;
  /** Loopback port that leads to Toolstack's SSH server. null: QEMU listens on nothing, and the network leads nowhere. */
  readonly sshPort: number | null;
  readonly iommu: boolean;
  /** Added to Xen's command line. */
  readonly xenArguments?: readonly string[];
  /** Domain 0's command line; Bootstrapper's where nothing is said. */
  readonly kernelArguments?: readonly string[];
  /** The machine's clock goes on by its own instructions, however busy the operator's computer is meanwhile: for measurements. It is emulated then. */
  readonly countInstructions?: boolean;
}

/** Toolstack's address on the virtual host's network; QEMU's user network is 10.0.2.0/24. */
export const TOOLSTACK_ADDRESS = '10.0.2.10';

/** What this machine has for a hypervisor in a hypervisor. */
export interface Virtualisation {
  /** As /proc/cpuinfo has it. */
  readonly cpuInfo: string;
  readonly kvmUsable: boolean;
}

function virtualisationHere(): Virtualisation {
  return { cpuInfo: readFileSync('/proc/cpuinfo', 'utf8'), kvmUsable: isUsable('/dev/kvm') };
}

function isUsable(device: string): boolean {
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** True where the processor really offers VT-x or AMD-V: a para-virtualised /dev/kvm without them kills Xen. */
export function hardwareVirtualisation({ cpuInfo, kvmUsable } = virtualisationHere()): boolean {
  return kvmUsable && /^flags\s*:.*\b(vmx|svm)\b/m.test(cpuInfo);
}

const XEN_ARGUMENTS = [
  'console=com1',
  'com1=115200,8n1',
  'loglvl=warning',
  // What a VM writes comes at debug level, with `(dN)` before it.
  'guest_loglvl=all',
  'flask=enforcing',
  'hardware_dom=1',
  'dom0_max_vcpus=1',
  'iommu=no-sharept',
  'dom0-iommu=strict',
  // QEMU's memory is zero when it starts. Scrubbing it once more would only make the operator's machine provide all of it.
  'bootscrub=0',
  // Faster than the default when eight kernels boot on two emulated processors: docs/virtual-host.md.
  'sched=credit',
  // The serial line is the services' log. What is typed on it stays with Xen: its debug keys, which tests ask for event channels and grants.
  'conswitch=ax',
];

const BOOTSTRAPPER_ARGUMENTS = [
  'console=hvc0',
  'quiet',
  'loglevel=4',
  'printk.devkmsg=on',
  'pci=off',
  'acpi=off',
  'swiotlb=noforce',
];

/** Domain 0's memory; free again after the boot. */
const BOOTSTRAPPER_MEMORY_MIB = bootstrapper.memoryMib;

/** An instruction takes 2 to the power of this ns, which is about what emulation takes. */
const INSTRUCTION_SHIFT = 2;

function processor(kvm: boolean, countInstructions: boolean): string[] {
  if (kvm && !countInstructions) return ['-accel', 'kvm', '-cpu', 'host'];
  // XSAVE, SMAP and SMEP: QEMU's emulation of them breaks PV guests. ERMS: it makes copying slow. See docs/virtual-host.md.
  const cpu = ['-cpu', 'max,smap=off,smep=off,pku=off,la57=off,xsave=off,erms=off'];
  if (!countInstructions) return ['-accel', 'tcg,thread=multi', ...cpu];
  return ['-accel', 'tcg,thread=single', '-icount', `shift=${INSTRUCTION_SHIFT},sleep=off`, ...cpu];
}

const networkAccess = (sshPort: number | null): string =>
  sshPort === null ? 'restrict=on' : `hostfwd=tcp:127.0.0.1:${sshPort}-${TOOLSTACK_ADDRESS}:22`;

/**
 * When the file of the disk cannot grow because the operator's own disk is full, QEMU by itself stops the whole machine, and every service
 * with it. The host shall see a failed write instead, as of a broken disk: that is BlkBack's and its guests' affair, and the rest goes on.
 */
const DISK_ERRORS = 'werror=report,rerror=report';

/** Its link is there at once, where QEMU's e1000e takes three seconds to agree on one. `iommu_platform`: its DMA goes through the IOMMU. */
const NETWORK_CARD = 'virtio-net-pci,disable-legacy=on,iommu_platform=on';

/** `kvm`: QEMU uses the processor's own virtualisation; otherwise it emulates. */
export function qemuArguments(
  directory: HostDirectory,
  images: MachineImages,
  options: MachineOptions,
  kvm = hardwareVirtualisation(),
): string[] {
  const xen = [
    ...XEN_ARGUMENTS,
    `dom0_mem=${BOOTSTRAPPER_MEMORY_MIB}M,max:${BOOTSTRAPPER_MEMORY_MIB}M`,
    ...(options.xenArguments ?? []),
  ];
  const kernel = options.kernelArguments ?? BOOTSTRAPPER_ARGUMENTS;
  const modules = [`${images.kernel} ${kernel.join(' ')}`, images.initrd, ...(images.policy ? [images.policy] : [])];
  const machine = kvm && options.iommu ? 'q35,sata=off,kernel-irqchip=split' : 'q35,sata=off';
  return [
    ...processor(kvm, options.countInstructions ?? false),
    ...['-machine', machine, '-m', String(options.memoryMib), '-smp', String(options.cpus)],
    ...['-nodefaults', '-display', 'none', '-vga', 'none', '-no-reboot'],
    ...[
      '-chardev',
      `socket,id=serial,path=${directory.serial},server=on,wait=off,logfile=${directory.serialLog}`,
      '-serial',
      'chardev:serial',
    ],
    ...[
      '-chardev',
      `socket,id=monitor,path=${directory.monitor},server=on,wait=off`,
      '-mon',
      'chardev=monitor,mode=control',
    ],
    ...['-kernel', images.xen, '-append', xen.join(' '), '-initrd', modules.join(',')],
    ...(options.iommu ? ['-device', 'intel-iommu,intremap=on,eim=off'] : []),
    ...['-drive', `file=${directory.disk},if=none,id=disk,format=raw,cache=writeback,discard=unmap,${DISK_ERRORS}`],
    ...['-device', 'ich9-ahci,id=storage,addr=03.0', '-device', 'ide-hd,drive=disk,bus=storage.0'],
    ...['-netdev', `user,id=net,${networkAccess(options.sshPort)}`],
    ...['-device', `${NETWORK_CARD},netdev=net,addr=04.0,romfile=`],
  ];
}
