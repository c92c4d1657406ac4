/** The real adapter: the ports on ennead-rt's native module. */
import * as rt from 'ennead:rt';
import type {
  ByteStream,
  Clock,
  Devices,
  DomainControl,
  DomainInfo,
  DomainSpec,
  EventChannels,
  Files,
  ForeignMemory,
  Grants,
  HostInfo,
  Log,
  LoopDevices,
  Network,
  Power,
  ProcessEnd,
  Processes,
  ProcessOptions,
  RunningProcess,
  SharedRegion,
  Streams,
  Uevents,
} from '../ports.ts';
import { shutdownReasons } from '../ports.ts';

export const log: Log = (line) => rt.log(line);

export const clock: Clock = {
  nowMs: () => rt.monotonicMs(),
  wallClockMs: () => rt.wallClockMs(),
  after(delayMs, run) {
    const id = rt.setTimer(delayMs, run);
    return () => rt.clearTimer(id);
  },
};

/** A region of ennead-rt as the port's object. */
class Region implements SharedRegion {
  constructor(private readonly number: number) {}

  get size(): number {
    return rt.regionSize(this.number);
  }

  read(offset: number, length: number): Uint8Array {
    return rt.regionRead(this.number, offset, length);
  }

  write(offset: number, bytes: Uint8Array): void {
    rt.regionWrite(this.number, offset, bytes);
  }

  load32(offset: number): number {
    return rt.regionLoad32(this.number, offset);
  }

  store32(offset: number, value: number): void {
    rt.regionStore32(this.number, offset, value);
  }

  close(): void {
    rt.regionClose(this.number);
  }
}

export const sharedRegion = (region: number): SharedRegion => new Region(region);

export const grants: Grants = {
  map: (domid, refs, writable) => sharedRegion(rt.grantMap(domid, refs, writable)),
  share(domid, pages, writable) {
    const { region, refs } = rt.grantShare(domid, pages, writable);
    return { region: sharedRegion(region), refs };
  },
  keep(domid, pages) {
    const { region, refs } = rt.grantKeep(domid, pages);
    return { region: sharedRegion(region), refs };
  },
};

export const foreignMemory: ForeignMemory = {
  map: (domid, gfns, writable) => sharedRegion(rt.foreignMap(domid, gfns, writable)),
};

const eventHandlers = new Map<number, () => void>();

export const eventChannels: EventChannels = {
  allocUnbound: (remote) => rt.evtchnAllocUnbound(remote),
  bindInterdomain: (remote, remotePort) => rt.evtchnBindInterdomain(remote, remotePort),
  bindVirq: (virq) => rt.evtchnBindVirq(virq),
  unbind(port) {
    eventHandlers.delete(port);
    rt.evtchnUnbind(port);
  },
  notify: (port) => rt.evtchnNotify(port),
  onEvent(port, handler) {
    if (eventHandlers.size === 0) rt.onEvent((fired) => eventHandlers.get(fired)?.());
    eventHandlers.set(port, handler);
  },
  wait: (port, timeoutMs) => rt.evtchnWait(port, timeoutMs),
};

function domainInfo(info: rt.DomainInfo): DomainInfo {
  return {
    domid: info.domid,
    ssid: info.ssid,
    ...info.state,
    shutdown: info.shutdownReason === null ? null : (shutdownReasons[info.shutdownReason] ?? 'crash'),
    memoryKib: info.memoryKib,
    maxMemoryKib: info.maxMemoryKib,
    vcpus: info.vcpus,
    cpuTimeNs: info.cpuTimeNs,
  };
}

/** One page of `list()`; the hypercall fills at most so many. */
const DOMAINS_PER_CALL_MAX = 1024;

/** What every PV domain gets: Linux's front ends need no more. */
const GRANT_FRAMES = 32;
const MAPTRACK_FRAMES = 1024;
const EVENT_PORTS = 1023;
/** Xen's bookkeeping beside the guest's own pages (as xl adds it). */
const MEMORY_SLACK_KIB = 1024;
/** The ROMs of an emulated PC: 64 KiB of its screen, at most 512 KiB of each network card, which makes room for three. */
const ROMS_KIB = 2048;

function maxMemoryKib(spec: DomainSpec): number {
  const emulatedKib = spec.kind === 'hvm' ? spec.videoMib * 1024 + ROMS_KIB : 0;
  return spec.memoryMib * 1024 + emulatedKib + MEMORY_SLACK_KIB;
}

export const domainControl: DomainControl = {
  list() {
    const all: DomainInfo[] = [];
    for (;;) {
      const last = all.at(-1);
      const batch = rt.domainList(last ? last.domid + 1 : 0, DOMAINS_PER_CALL_MAX);
      all.push(...batch.map(domainInfo));
      if (batch.length < DOMAINS_PER_CALL_MAX) return all;
    }
  },
  info(domid) {
    const found = rt.domainList(domid, 1)[0];
    return found?.domid === domid ? domainInfo(found) : null;
  },
  create: (spec) =>
    rt.domainCreate({
      kind: spec.kind,
      domid: spec.domid,
      ssid: rt.flaskContextToSid(spec.context),
      uuid: spec.uuid,
      vcpus: spec.vcpus,
      maxMemoryKib: maxMemoryKib(spec),
      iommu: spec.iommu,
      clockOffsetSeconds: spec.kind === 'hvm' ? spec.clockOffsetSeconds : 0,
      grantFrames: GRANT_FRAMES,
      maptrackFrames: MAPTRACK_FRAMES,
      eventPorts: EVENT_PORTS,
    }),
  build: (build) =>
    rt.domainBuildPv({
      domid: build.domid,
      memoryMib: build.memoryMib,
      kernel: build.kernelPath,
      ramdisks: build.ramdiskPaths,
      cmdline: build.cmdline,
      ...(build.store.pageParameter === undefined ? {} : { storePageParameter: build.store.pageParameter }),
      storeDomid: build.store.domid,
      storePort: build.store.port,
      consoleDomid: build.console.domid,
      consolePort: build.console.port,
      hardwareDomain: build.hardwareDomain,
    }),
  buildPvh: (build) =>
    rt.domainBuildPvh({
      domid: build.domid,
      memoryMib: build.memoryMib,
      kernel: build.kernelPath,
      ramdisks: build.ramdiskPaths,
      cmdline: build.cmdline,
      vcpus: build.vcpus,
      acpiAddress: build.acpi.address,
      acpi: build.acpi.tables,
      storeDomid: build.store.domid,
      storePort: build.store.port,
      consoleDomid: build.console.domid,
      consolePort: build.console.port,
    }),
  buildHvm: (build) =>
    rt.domainBuildHvm({
      domid: build.domid,
      memoryMib: build.memoryMib,
      vcpus: build.vcpus,
      loader: build.hvmloaderPath,
      firmware: build.firmwarePath,
      apic: build.apic,
      hpet: build.hpet,
      storeDomid: build.store.domid,
      storePort: build.store.port,
      consoleDomid: build.console.domid,
      consolePort: build.console.port,
    }),
  setTarget: (deviceModel, guest) => rt.domainSetTarget(deviceModel, guest),
  destroy: (domid) => rt.domainDestroy(domid),
  pause: (domid) => rt.domainPause(domid),
  unpause: (domid) => rt.domainUnpause(domid),
  shutdown: (domid, reason) => rt.domainShutdown(domid, shutdownReasons.indexOf(reason)),
  pressPowerButton: (domid) => rt.domainPowerButton(domid),
  allocEventChannel: (domid, remote) => rt.domainAllocEvtchn(domid, remote),
  setVirqHandler: (domid, virq) => rt.domainSetVirqHandler(domid, virq),
  relabel: (domid, context) => rt.flaskRelabel(domid, rt.flaskContextToSid(context)),
  contextOf(domid) {
    const found = rt.domainList(domid, 1)[0];
    return found?.domid === domid ? rt.flaskSidToContext(found.ssid) : null;
  },
};

export const devices: Devices = {
  assign: (domid, sbdf) => rt.pciAssign(domid, sbdf),
  deassign: (domid, sbdf) => rt.pciDeassign(domid, sbdf),
  allowMemory: (domid, firstMfn, count, allow) => rt.iomemPermission(domid, firstMfn, count, allow),
  allowPorts: (domid, first, count, allow) => rt.ioportPermission(domid, first, count, allow),
  allowGsi(domid, gsi) {
    const pirq = rt.mapGsi(domid, gsi);
    rt.irqPermission(domid, pirq, true);
    return pirq;
  },
};

export const hostInfo: HostInfo = {
  physical: () => rt.physInfo(),
  version: () => rt.xenVersion(),
  messages: () => rt.xenMessages(),
  enforcing: () => rt.flaskEnforcing(),
};

const BYTES_PER_BLOCK = 512;

export const files: Files = {
  read: (path, maxBytes) => rt.readFile(path, maxBytes),
  write: (path, bytes, mode) => rt.writeFile(path, bytes, mode),
  stat(path) {
    const stat = rt.stat(path);
    return stat && { ...stat, allocated: stat.blocks * BYTES_PER_BLOCK };
  },
  list: (path) => rt.readdir(path),
  readlink: (path) => rt.readlink(path),
  makeDirectory: (path, mode) => rt.mkdir(path, mode),
  chmod: (path, mode) => rt.chmod(path, mode),
  remove: (path) => rt.unlink(path),
  removeDirectory: (path) => rt.rmdir(path),
  rename: (from, to) => rt.rename(from, to),
  allocate(path, size) {
    const fd = rt.open(path, 'rw', 0o600);
    try {
      rt.ftruncate(fd, size);
      rt.fsync(fd);
    } finally {
      rt.close(fd);
    }
  },
  space: (path) => rt.statfs(path),
  mount: (source, target, type, options = {}) => rt.mount(source, target, type, options),
  unmount: (target) => rt.umount(target),
  sync: () => rt.sync(),
};

/** A descriptor as the port's stream. */
export function streamOf(fd: number): ByteStream {
  return {
    read: (maxBytes) => rt.read(fd, maxBytes),
    write: (bytes) => rt.write(fd, bytes),
    onReadable: (handler) => rt.onReadable(fd, handler),
    onWritable: (handler) => rt.onWritable(fd, handler),
    close: () => rt.close(fd),
  };
}

const LISTEN_BACKLOG = 128;

export const streams: Streams = {
  open: (path, mode) => streamOf(rt.open(path, mode)),
  listen(path, accept) {
    const fd = rt.unixListen(path, LISTEN_BACKLOG);
    rt.onReadable(fd, () => {
      for (let peer = rt.unixAccept(fd); peer !== null; peer = rt.unixAccept(fd)) accept(streamOf(peer));
    });
    return () => rt.close(fd);
  },
  connect: (path) => streamOf(rt.unixConnect(path)),
};

const SIGKILL = 9;
const OUTPUT_BYTES = 4096;

/** Runs `spawn` with the writing end of a pipe, whose other end is read until nobody can write any more. */
function withOutput<T>(output: (bytes: Uint8Array) => void, spawn: (fd: number) => T): T {
  const { readFd, writeFd } = rt.pipe();
  try {
    const spawned = spawn(writeFd);
    rt.onReadable(readFd, () => {
      const bytes = rt.read(readFd, OUTPUT_BYTES);
      if (bytes?.length === 0) rt.close(readFd);
      else if (bytes) output(bytes);
    });
    return spawned;
  } catch (error) {
    rt.close(readFd);
    throw error;
  } finally {
    rt.close(writeFd);
  }
}

/** The child's number is its own until it is reaped: nothing else is ever killed. */
function start(argv: readonly string[], { output, ...options }: ProcessOptions = {}): RunningProcess {
  const { pid, pidfd } = output
    ? withOutput(output, (fd) => rt.spawn({ argv, stdout: fd, stderr: fd, ...options }))
    : rt.spawn({ argv, stdout: 1, stderr: 2, ...options });
  let running = true;
  const ended = new Promise<ProcessEnd>((resolve) => {
    rt.onReadable(pidfd, () => {
      const end = rt.reap(pid);
      if (end === null) return;
      running = false;
      rt.close(pidfd);
      resolve(end);
    });
  });
  const kill = () => {
    if (running) rt.kill(pid, SIGKILL);
  };
  return { ended, kill };
}

export const processes: Processes = {
  start,
  run: async (argv, env) => start(argv, env && { env }).ended,
};

export const network: Network = {
  createBridge: (name) => rt.bridgeCreate(name),
  addToBridge: (bridge, name) => rt.bridgeAddInterface(bridge, name),
  up: (name) => rt.interfaceUp(name, true),
  createTap: (name, uid) => rt.tapCreate(name, uid),
};

export const loopDevices: LoopDevices = {
  attach: (path, readOnly) => rt.loopAttach(path, { readOnly, directIo: true }),
  detach: (path) => rt.loopDetach(path),
};

/** The longest announcement that Linux makes: UEVENT_BUFFER_SIZE and the device's path before it. */
const UEVENT_BYTES_MAX = 8192;

export const uevents: Uevents = {
  listen(changed) {
    const fd = rt.openUevents();
    rt.onReadable(fd, () => {
      drain(fd);
      changed();
    });
    return () => {
      rt.onReadable(fd, null);
      rt.close(fd);
    };
  },
};

/** Announcements that were lost for want of room (ENOBUFS) are announcements too. */
function drain(fd: number): void {
  try {
    while (rt.read(fd, UEVENT_BYTES_MAX) !== null);
  } catch (error) {
    if ((error as rt.RtError).code !== 'ENOBUFS') throw error;
  }
}

export const power: Power = { off: () => rt.reboot('poweroff') };
