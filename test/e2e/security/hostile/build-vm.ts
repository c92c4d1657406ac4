/** How the attack machine's VMs are made. All run the same program; their labels differ, and their orders. */
import * as rt from 'ennead:rt';
import { domainTypes } from '../../../../src/contracts/flask-contexts.ts';
import { hasIommu, type Label, labels, TOOLSTACK, type Vm, XENSTORE_LOGIC } from '../plan.ts';
import { type Knowledge, ordersText } from './knowledge.ts';

/** Linux limits what comes through /dev/kmsg and what privcmd may do; both limits are the attacker's own to lift. */
const KERNEL_OPTIONS = 'earlyprintk=xen,keep quiet loglevel=5 printk.devkmsg=on xen_privcmd.unrestricted=1';
const VM_MEMORY_MIB = 28;
const BUILDER_MEMORY_MIB = 96;
const HVM_MEMORY_MIB = 16;
/** For page tables and the like that count as the domain's memory. */
const SLACK_KIB = 1024;

export const lookUpSids = (): number[] =>
  labels.map((label: Label) => rt.flaskContextToSid(`system_u:system_r:${domainTypes[label]}`));

export function createVm(vm: Vm, { sids }: Knowledge): void {
  const { domid, label } = vm;
  const iommu = hasIommu(vm);
  const maxMemoryKib = memoryMibOf(vm) * 1024 + SLACK_KIB;
  const ssid = sids[labels.indexOf(label)]!;
  const limits = { grantFrames: 4, maptrackFrames: 64, eventPorts: 1023 };
  rt.domainCreate({
    kind: vm.emulatedBy === undefined ? 'pv' : 'hvm',
    domid,
    ssid,
    uuid: rt.randomBytes(16),
    vcpus: 1,
    maxMemoryKib,
    iommu,
    clockOffsetSeconds: 0,
    ...limits,
  });
}

/** Returns a frame of its memory. It stays paused. */
export function loadVm(vm: Vm, knowledge: Knowledge): number {
  const { domid, label } = vm;
  const common = {
    domid,
    memoryMib: memoryMibOf(vm),
    // As in a real host: Logic gets the store page, and Toolstack the console page of guests.
    storeDomid: XENSTORE_LOGIC.domid,
    storePort: 0,
    consoleDomid: label === 'guest' ? TOOLSTACK.domid : domid,
    consolePort: 0,
  };
  if (vm.emulatedBy !== undefined) return loadHvm(common);
  const built = rt.domainBuildPv({
    ...common,
    kernel: '/images/core.elf',
    ramdisks: ['/images/hostile.cpio', ...(label === 'builder' ? ['/images/for-builder.cpio'] : [])],
    cmdline: `${KERNEL_OPTIONS} ${ordersOf(vm, knowledge)}`,
    hardwareDomain: false,
  });
  return built.storeGfn;
}

/** It never runs: zeros will do in place of a BIOS. */
function loadHvm(
  common: Pick<rt.HvmBuild, 'domid' | 'memoryMib' | 'storeDomid' | 'storePort' | 'consoleDomid' | 'consolePort'>,
): number {
  const files = { loader: '/images/hvmloader', firmware: '/images/firmware' };
  return rt.domainBuildHvm({ ...common, ...files, vcpus: 1, apic: true, hpet: false }).storeGfn;
}

function memoryMibOf({ label, emulatedBy }: Vm): number {
  if (emulatedBy !== undefined) return HVM_MEMORY_MIB;
  return label === 'builder' ? BUILDER_MEMORY_MIB : VM_MEMORY_MIB;
}

const ordersOf = ({ domid, label, part }: Vm, knowledge: Knowledge): string =>
  ordersText({ part: part === 'attacker' ? part : 'victim', enforcing: rt.flaskEnforcing(), domid, label, knowledge });
