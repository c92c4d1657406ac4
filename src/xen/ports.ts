/**
 * The ports: everything a service may do to Xen and Linux. Services take them as parameters, never import an adapter.
 * Adapters: src/xen/real (ennead-rt in a VM) and src/xen/memory (seeded, in memory, for tests and simulation).
 * An adapter's operation that fails throws a `PortError`; a fault of a peer is never thrown from here.
 */

export type DomId = number;
export type GrantRef = number;
export type EventPort = number;
export type Sid = number;

/** @source xen/include/public/xen.h */
export const DOMID_SELF: DomId = 0x7ff0;
export const VIRQ_DOM_EXC = 3;
export const VIRQ_CONSOLE = 2;

/** @source xen/include/public/sched.h, SHUTDOWN_* */
export const shutdownReasons = ['poweroff', 'reboot', 'suspend', 'crash', 'watchdog', 'soft-reset'] as const;
export type ShutdownReason = (typeof shutdownReasons)[number];

/** An operation that Xen or Linux refused: stable code (errno's name), the operation, and what it was about. */
export class PortError extends Error {
  constructor(
    readonly code: string,
    readonly op: string,
    detail: string,
  ) {
    super(`${op}: ${detail} (${code})`);
    this.name = 'PortError';
  }
}

export interface Clock {
  /** Monotonic. */
  nowMs(): number;
  wallClockMs(): number;
  /** Returns the function that cancels. */
  after(delayMs: number, run: () => void): () => void;
}

export type Log = (line: string) => void;

/** Memory shared with another domain. Reads are copies: nothing can change between check and use. */
export interface SharedRegion {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
  /** Acquire. */
  load32(offset: number): number;
  /** Release. */
  store32(offset: number, value: number): void;
  close(): void;
}

export interface Share {
  readonly region: SharedRegion;
  readonly refs: readonly GrantRef[];
}

export interface Grants {
  map(domid: DomId, refs: readonly GrantRef[], writable: boolean): SharedRegion;
  share(domid: DomId, pages: number, writable: boolean): Share;
  /** Writable, and zeroed only once: it outlives the program, and one that starts again gets it as it is, under the same references. One in a VM. */
  keep(domid: DomId, pages: number): Share;
}

export interface ForeignMemory {
  map(domid: DomId, gfns: readonly number[], writable: boolean): SharedRegion;
}

export interface EventChannels {
  allocUnbound(remote: DomId): EventPort;
  bindInterdomain(remote: DomId, remotePort: EventPort): EventPort;
  bindVirq(virq: number): EventPort;
  unbind(port: EventPort): void;
  notify(port: EventPort): void;
  /** One handler for each port. */
  onEvent(port: EventPort, handler: () => void): void;
  /** Blocks this VM's program until the port fires. false: timed out. */
  wait(port: EventPort, timeoutMs: number): boolean;
}

export interface DomainInfo {
  readonly domid: DomId;
  readonly ssid: Sid;
  readonly dying: boolean;
  readonly paused: boolean;
  readonly blocked: boolean;
  readonly running: boolean;
  /** null unless it has shut down. */
  readonly shutdown: ShutdownReason | null;
  readonly memoryKib: number;
  readonly maxMemoryKib: number;
  readonly vcpus: number;
  readonly cpuTimeNs: bigint;
}

interface SpecOfAnyKind {
  readonly domid: DomId;
  readonly context: string;
  readonly uuid: Uint8Array;
  readonly vcpus: number;
  /** What the domain itself sees as its memory. */
  readonly memoryMib: number;
  /** DMA through the IOMMU: VMs that get a PCI device. */
  readonly iommu: boolean;
}

/**
 * `pvh`: a system that knows Xen, in hardware's page tables, with a local APIC and no other device of a PC. `hvm`: a whole PC, for a system that
 * need not know of Xen. Its emulator adds `videoMib` to its memory, and so has its limit.
 */
export type DomainSpec = SpecOfAnyKind &
  (
    | { readonly kind: 'pv' | 'pvh' }
    /** `clockOffsetSeconds`: how far its PC's clock, which Xen emulates, stands before UTC. */
    | { readonly kind: 'hvm'; readonly videoMib: number; readonly clockOffsetSeconds: number }
  );

export interface PvImage {
  readonly kernelPath: string;
  /** Concatenated in this order. */
  readonly ramdiskPaths: readonly string[];
  /** ≤ 1023 bytes. */
  readonly cmdline: string;
}

export interface PvBuild extends PvImage {
  readonly domid: DomId;
  readonly memoryMib: number;
  /** `port` 0: the VM's Linux sees no XenStore. `pageParameter` puts the page's gfn on the command line under that name. */
  readonly store: { readonly domid: DomId; readonly port: EventPort; readonly pageParameter?: string };
  readonly console: { readonly domid: DomId; readonly port: EventPort };
  readonly hardwareDomain: boolean;
}

/** `acpi.tables` begin with the RSDP, which the kernel is told of, and lie at `acpi.address` in the guest (src/wire/acpi.ts). */
export interface PvhBuild extends PvImage {
  readonly domid: DomId;
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly acpi: { readonly address: number; readonly tables: Uint8Array };
  readonly store: { readonly domid: DomId; readonly port: EventPort };
  readonly console: { readonly domid: DomId; readonly port: EventPort };
}

/**
 * What an HVM domain starts with: hvmloader, which finds the rest of its settings (ACPI among them) in XenStore, and the firmware that it
 * starts in turn. All of `memoryMib` is the guest's: its emulator has to be told the same number.
 */
export interface HvmBuild {
  readonly domid: DomId;
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly hvmloaderPath: string;
  /** SeaBIOS. */
  readonly firmwarePath: string;
  readonly apic: boolean;
  readonly hpet: boolean;
  readonly store: { readonly domid: DomId; readonly port: EventPort };
  readonly console: { readonly domid: DomId; readonly port: EventPort };
}

/** Life and death of domains. Only Bootstrapper, Builder (all of it) and a few readers (list) hold the rights. */
export interface DomainControl {
  list(): DomainInfo[];
  info(domid: DomId): DomainInfo | null;
  create(spec: DomainSpec): DomId;
  build(build: PvBuild): { storeGfn: number; consoleGfn: number };
  buildPvh(build: PvhBuild): { storeGfn: number; consoleGfn: number };
  buildHvm(build: HvmBuild): { storeGfn: number; consoleGfn: number };
  /**
   * Makes `deviceModel` the emulator of `guest`, an HVM domain: Xen then treats it as privileged over that one domain. For good: a second
   * call is EINVAL, and the guest's domid is not free again before its emulator is gone, too.
   */
  setTarget(deviceModel: DomId, guest: DomId): void;
  destroy(domid: DomId): void;
  pause(domid: DomId): void;
  unpause(domid: DomId): void;
  shutdown(domid: DomId, reason: ShutdownReason): void;
  /** Of the PC of an HVM domain; EINVAL of a PV one. Its system may shut down, or may not care. */
  pressPowerButton(domid: DomId): void;
  /** An unbound channel in `domid` that only `remote` may bind. */
  allocEventChannel(domid: DomId, remote: DomId): EventPort;
  setVirqHandler(domid: DomId, virq: number): void;
  relabel(domid: DomId, context: string): void;
  contextOf(domid: DomId): string | null;
}

export interface Devices {
  assign(domid: DomId, sbdf: number): void;
  deassign(domid: DomId, sbdf: number): void;
  allowMemory(domid: DomId, firstMfn: number, count: number, allow: boolean): void;
  allowPorts(domid: DomId, first: number, count: number, allow: boolean): void;
  /** Maps the GSI for `domid`, gives it the interrupt, returns the pirq. */
  allowGsi(domid: DomId, gsi: number): number;
}

export interface HostInfo {
  /** `hvm`: the processor has what HVM domains need, AMD-V or VT-x. */
  physical(): { cpus: number; totalKib: number; freeKib: number; cpuKhz: number; hvm: boolean; iommu: boolean };
  version(): { version: string; commandLine: string; compileDate: string; changeset: string };
  messages(): string;
  enforcing(): boolean;
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'link' | 'block' | 'char' | 'fifo' | 'socket';
  readonly size: number;
  /** Bytes really taken on the disk. */
  readonly allocated: number;
  readonly major: number;
  readonly minor: number;
}

/** Linux's files, sysfs included. */
export interface Files {
  read(path: string, maxBytes: number): Uint8Array;
  write(path: string, bytes: Uint8Array, mode?: number): void;
  stat(path: string): FileStat | null;
  list(path: string): string[];
  readlink(path: string): string;
  makeDirectory(path: string, mode?: number): void;
  /** Who may do what with a file or a device. */
  chmod(path: string, mode: number): void;
  remove(path: string): void;
  removeDirectory(path: string): void;
  rename(from: string, to: string): void;
  /** Creates a sparse file of that size, durably. */
  allocate(path: string, size: number): void;
  space(path: string): { totalBytes: number; freeBytes: number };
  mount(source: string, target: string, type: string, options?: { readOnly?: boolean; data?: string }): void;
  unmount(target: string): void;
  sync(): void;
}

/** A non-blocking byte stream: device file, socket, pipe. */
export interface ByteStream {
  /** null: nothing there now. Empty: the end. */
  read(maxBytes: number): Uint8Array | null;
  /** How much was taken; 0: no room now. */
  write(bytes: Uint8Array): number;
  onReadable(handler: (() => void) | null): void;
  onWritable(handler: (() => void) | null): void;
  close(): void;
}

export interface Streams {
  open(path: string, mode: 'r' | 'w' | 'r+'): ByteStream;
  listen(path: string, accept: (stream: ByteStream) => void): () => void;
  connect(path: string): ByteStream;
}

export interface ProcessOptions {
  /** Exactly this, nothing else. */
  readonly env?: Readonly<Record<string, string>>;
  /** Both or neither; without supplementary groups. */
  readonly uid?: number;
  readonly gid?: number;
  /**
   * No new privileges, and no system call but those that an emulator needs (runtime/src/confinement.c): no other program, no other process, no
   * socket but Unix's.
   */
  readonly confined?: boolean;
  /** Its root folder: argv[0] and whatever else it opens lies there. */
  readonly root?: string;
  /** What it writes on standard output and error, in place of this program's. */
  readonly output?: (bytes: Uint8Array) => void;
}

export interface ProcessEnd {
  readonly status: number | null;
  readonly signal: number | null;
}

export interface RunningProcess {
  readonly ended: Promise<ProcessEnd>;
  /** At once (SIGKILL). Nothing happens to one that has ended. */
  kill(): void;
}

/** Programs, by absolute path; standard output and error are inherited. */
export interface Processes {
  /** Throws when it cannot be started. */
  start(argv: readonly string[], options?: ProcessOptions): RunningProcess;
  /** Resolves when it ends. */
  run(argv: readonly string[], env?: Readonly<Record<string, string>>): Promise<ProcessEnd>;
}

export interface Network {
  createBridge(name: string): void;
  addToBridge(bridge: string, name: string): void;
  up(name: string): void;
  /** A TAP interface that stays; the program of user `uid` that opens it through /dev/net/tun is its other end. */
  createTap(name: string, uid: number): void;
}

export interface LoopDevices {
  attach(path: string, readOnly: boolean): { path: string; major: number; minor: number };
  detach(path: string): void;
}

/** Linux's announcements of devices. */
export interface Uevents {
  /** `changed` is called after any device came, changed or went; which one is for the listener to find out in sysfs. Returns the function that ends it. */
  listen(changed: () => void): () => void;
}

/** This VM's own power switch. */
export interface Power {
  off(): void;
}
