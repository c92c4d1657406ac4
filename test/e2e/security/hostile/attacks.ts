/** Every forbidden thing, done as directly as ennead-rt allows. What returns has succeeded; what throws carries Xen's answer. */
import * as rt from 'ennead:rt';
import {
  type AttackName,
  type Attempt,
  emulations,
  intrusions,
  type Label,
  labels,
  type Vm,
  XENSTORE_LOGIC,
} from '../plan.ts';
import type { Knowledge } from './knowledge.ts';

const VIRQ_DOM_EXC = 3;
const SHUTDOWN_POWEROFF = 0;
const CONSOLE_REF = 0;
const STORE_REF = 1;
/** Where a VM of the attack machine has its first free event channels. */
const PORTS = Array.from({ length: 24 }, (_, index) => index + 1);
/** The network card of the virtual host, its interrupt line, some of its memory, and a port of the keyboard controller. */
const CARD_SBDF = 0x20;
const CARD_GSI = 20;
const CARD_MFN = 0xfebc0;
const SOME_PORT = 0x64;
const MORE_MEMORY_KIB = 65536;
const EMULATOR_TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 64;

/** Channels that other VMs offered and an attack bound: their local ends, by domid. */
export type Offered = Map<number, number>;

interface Circumstances {
  readonly self: number;
  readonly knowledge: Knowledge;
  readonly offered: Offered;
}

type OnVm = (target: Vm, circumstances: Circumstances) => void;

const sidOf = (label: Label, { sids }: Knowledge): number => sids[labels.indexOf(label)]!;

function mapForeign(target: Vm, { knowledge }: Circumstances, writable: boolean): void {
  rt.regionClose(rt.foreignMap(target.domid, [knowledge.frames.get(target.domid) ?? 0], writable));
}

const mapGrant = (target: Vm, ref: number) => rt.regionClose(rt.grantMap(target.domid, [ref], true));

/** Keeps the first that can be bound. */
function bindPorts(target: Vm, { offered }: Circumstances): void {
  let failure: unknown;
  for (const port of PORTS) {
    try {
      offered.set(target.domid, rt.evtchnBindInterdomain(target.domid, port));
      return;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function create(label: Label, { self, knowledge }: Circumstances): void {
  const domid = 100 + self * labels.length + labels.indexOf(label);
  const ssid = sidOf(label, knowledge);
  const uuid = rt.randomBytes(16);
  const limits = { grantFrames: 4, maptrackFrames: 4, eventPorts: 63 };
  rt.domainCreate({
    kind: 'pv',
    domid,
    ssid,
    uuid,
    vcpus: 1,
    maxMemoryKib: 4096,
    iommu: false,
    clockOffsetSeconds: 0,
    ...limits,
  });
  rt.domainDestroy(domid);
}

const buildInto: OnVm = ({ domid }) =>
  void rt.domainBuildPv({
    domid,
    memoryMib: 1,
    kernel: '/images/tiny.elf',
    ramdisks: [],
    cmdline: '',
    storeDomid: domid,
    storePort: 0,
    consoleDomid: domid,
    consolePort: 0,
    hardwareDomain: false,
  });

/** Each assignment is taken back, so that the card is there for the next attempt. */
function assignCard({ domid }: Vm): void {
  rt.pciAssign(domid, CARD_SBDF);
  rt.pciDeassign(domid, CARD_SBDF);
}

/** Throws what the program says. */
function emulate(attack: string, { domid }: Vm): void {
  const { readFd, writeFd } = rt.pipe();
  const { pid, pidfd } = rt.spawn({ argv: ['/emulator', attack, String(domid)], stdout: writeFd });
  rt.close(writeFd);
  rt.waitReadable(pidfd, EMULATOR_TIMEOUT_MS);
  const said = new TextDecoder().decode(rt.read(readFd, ANSWER_BYTES_MAX) ?? new Uint8Array()).trim();
  for (const fd of [readFd, pidfd]) rt.close(fd);
  rt.reap(pid);
  if (said !== 'ok') throw Object.assign(new Error(said), { code: said || 'nothing' });
}

const onVm: Partial<Record<AttackName, OnVm>> = {
  'map-read': (target, circumstances) => mapForeign(target, circumstances, false),
  'map-write': (target, circumstances) => mapForeign(target, circumstances, true),
  'grant-console': (target) => mapGrant(target, CONSOLE_REF),
  'grant-store': (target) => mapGrant(target, STORE_REF),
  'bind-ports': bindPorts,
  'offer-channel': ({ domid }) => rt.evtchnUnbind(rt.evtchnAllocUnbound(domid)),
  'channel-inside': ({ domid }, { self }) => void rt.domainAllocEvtchn(domid, self),
  'channel-for-third': ({ domid }) => void rt.domainAllocEvtchn(domid, XENSTORE_LOGIC.domid),
  'virq-handler': ({ domid }) => rt.domainSetVirqHandler(domid, VIRQ_DOM_EXC),
  'map-gsi': ({ domid }) => void rt.mapGsi(domid, CARD_GSI),
  'irq-permission': ({ domid }) => rt.irqPermission(domid, CARD_GSI, true),
  'iomem-permission': ({ domid }) => rt.iomemPermission(domid, CARD_MFN, 1, true),
  'ioport-permission': ({ domid }) => rt.ioportPermission(domid, SOME_PORT, 1, true),
  'pci-assign': assignCard,
  build: buildInto,
  'max-mem': ({ domid }) => rt.domainSetMaxMem(domid, MORE_MEMORY_KIB),
  pause: ({ domid }) => rt.domainPause(domid),
  unpause: ({ domid }) => rt.domainUnpause(domid),
  'power-button': ({ domid }) => rt.domainPowerButton(domid),
  relabel: ({ domid }, { knowledge }) => rt.flaskRelabel(domid, sidOf('builder', knowledge)),
  shutdown: ({ domid }) => rt.domainShutdown(domid, SHUTDOWN_POWEROFF),
  destroy: ({ domid }) => rt.domainDestroy(domid),
};

const onHost: Partial<Record<AttackName, (circumstances: Circumstances) => unknown>> = {
  'phys-info': () => rt.physInfo(),
  'xen-messages': () => rt.xenMessages(),
  'context-to-sid': () => rt.flaskContextToSid('system_u:system_r:builder_t'),
  'sid-to-context': ({ knowledge }) => rt.flaskSidToContext(sidOf('builder', knowledge)),
};

/** Xen does not refuse to list: it leaves out what the caller may not see. */
function visible(): ReadonlySet<number> {
  return new Set(rt.domainList(0, 1024).map(({ domid }) => domid));
}

function answerOf(act: () => void): string {
  try {
    act();
    return 'ok';
  } catch (error) {
    return (error as rt.RtError).code ?? String(error);
  }
}

/** Tries them all, in order; `report` gets Xen's answer to each. */
export function attack(
  attempts: readonly Attempt[],
  circumstances: Circumstances,
  report: (attempt: Attempt, answer: string) => void,
): void {
  const seen = visible();
  for (const attempt of attempts) report(attempt, answerTo(attempt, circumstances, seen));
}

function answerTo({ attack, target }: Attempt, circumstances: Circumstances, seen: ReadonlySet<number>): string {
  if (target === 'host') return answerOf(() => void onHost[attack]!(circumstances));
  if (typeof target === 'string') return answerOf(() => create(target, circumstances));
  if (attack === 'list') return seen.has(target.domid) ? 'ok' : 'hidden';
  if (attack in emulations || attack in intrusions) return answerOf(() => emulate(attack, target));
  return answerOf(() => onVm[attack]!(target, circumstances));
}
