/**
 * The native module of ennead-rt, as service code sees it: `import * as rt from 'ennead:rt'`.
 *
 * Only src/xen/real/ and src/kit/ import it; services use the ports of src/xen/ports.ts.
 * Every function checks its arguments (type, range, length) before it acts and throws an `RtError`:
 * an Error with `code` (errno's name, or 'EINVAL' for a bad argument) and `op` (the function's name).
 * Sizes are bytes, times are milliseconds and domids are integers in 0..0x7fef unless said otherwise.
 */
declare module 'ennead:rt' {
  export interface RtError extends Error {
    readonly code: string;
    readonly op: string;
  }

  // ---- program ----------------------------------------------------------------------------------
  /** The program's arguments after the bytecode's (or script's) name. */
  export const args: readonly string[];
  /** Ends the process. */
  export function exit(status: number): never;
  export function pid(): number;
  /** One line to stderr, which under process 1 is /dev/kmsg (Xen prints it with a `(dN)` prefix). At most 900 bytes are written; control characters become spaces. */
  export function log(line: string): void;
  /** Monotonic clock, milliseconds with a fraction. */
  export function monotonicMs(): number;
  /** Wall clock, milliseconds since 1970. */
  export function wallClockMs(): number;
  export function randomBytes(length: number): Uint8Array;

  // ---- event loop: epoll, timers --------------------------------------------------------------------
  /** One handler per descriptor and direction; null removes it. Level-triggered. The end of the other side (EPOLLHUP, EPOLLERR) calls either. */
  export function onReadable(fd: number, handler: (() => void) | null): void;
  export function onWritable(fd: number, handler: (() => void) | null): void;
  /** Waits for one descriptor without running the loop. false: timed out. */
  export function waitReadable(fd: number, timeoutMs: number): boolean;
  /** Once, after `delayMs` (a fraction is rounded up). At most 256 at a time. Returns a number for `clearTimer`. */
  export function setTimer(delayMs: number, handler: () => void): number;
  export function clearTimer(id: number): void;

  // ---- files -----------------------------------------------------------------------------------------
  /** `flags`: 'r' | 'w' (create, truncate) | 'a' | 'r+' | 'rw' (create, keep) ; descriptors are close-on-exec and non-blocking. */
  export function open(path: string, flags: 'r' | 'w' | 'a' | 'r+' | 'rw', mode?: number): number;
  export function close(fd: number): void;
  /** At most `length` bytes (≤ 1 MiB). null: would block. Empty: end of file. */
  export function read(fd: number, length: number): Uint8Array | null;
  /** The number of bytes taken; 0: would block. */
  export function write(fd: number, bytes: Uint8Array): number;
  export function pread(fd: number, length: number, offset: number): Uint8Array;
  export function pwrite(fd: number, bytes: Uint8Array, offset: number): number;
  export function fsync(fd: number): void;
  export function ftruncate(fd: number, length: number): void;
  /** Whole file; throws EFBIG above `maxBytes`. */
  export function readFile(path: string, maxBytes: number): Uint8Array;
  export function writeFile(path: string, bytes: Uint8Array, mode?: number): void;
  export interface Stat { readonly kind: 'file' | 'directory' | 'link' | 'block' | 'char' | 'fifo' | 'socket'; readonly size: number; readonly blocks: number; readonly major: number; readonly minor: number; readonly mtimeMs: number }
  /** Follows links; null when there is no such file. `major`/`minor` are the device's own (rdev). `blocks` are 512-byte units. */
  export function stat(path: string): Stat | null;
  /** Sorted names, without . and .. */
  export function readdir(path: string): string[];
  export function readlink(path: string): string;
  export function symlink(target: string, path: string): void;
  export function mkdir(path: string, mode?: number): void;
  export function rmdir(path: string): void;
  export function unlink(path: string): void;
  export function rename(from: string, to: string): void;
  export function chmod(path: string, mode: number): void;
  export function statfs(path: string): { readonly totalBytes: number; readonly freeBytes: number };
  export function mount(source: string, target: string, type: string, options: { readonly readOnly?: boolean; readonly data?: string }): void;
  export function umount(target: string): void;
  /** sync(2) */
  export function sync(): void;
  /** Kernel's power switch; only process 1's children as root may. */
  export function reboot(how: 'poweroff' | 'halt' | 'restart'): void;
  export function setHostname(name: string): void;

  // ---- processes and sockets -----------------------------------------------------------------------
  /**
   * Starts a program (absolute path in argv[0]) with exactly the environment given; its standard descriptors are set to blocking, those not given
   * are /dev/null. `pidfd` becomes readable when it ends. `confined`: without new privileges, under the system call filter of confinement.c. `root`:
   * its root folder, in which argv[0] lies.
   */
  export function spawn(options: { readonly argv: readonly string[]; readonly env?: Readonly<Record<string, string>>; readonly stdin?: number; readonly stdout?: number; readonly stderr?: number; readonly uid?: number; readonly gid?: number; readonly confined?: boolean; readonly root?: string }): { readonly pid: number; readonly pidfd: number };
  /** null while it runs. Closes nothing. */
  export function reap(pid: number): { readonly status: number | null; readonly signal: number | null } | null;
  export function kill(pid: number, signal: number): void;
  export function pipe(): { readonly readFd: number; readonly writeFd: number };
  /** Byte-stream sockets on a path. */
  export function unixListen(path: string, backlog: number): number;
  /** null: nobody waits. */
  export function unixAccept(fd: number): number | null;
  export function unixConnect(path: string): number;
  /** Ends the writing side only. */
  export function shutdownWrite(fd: number): void;

  // ---- network and block set-up (NetBack, BlkBack) ----------------------------------------------
  export function bridgeCreate(bridge: string): void;
  export function bridgeAddInterface(bridge: string, name: string): void;
  export function bridgeRemoveInterface(bridge: string, name: string): void;
  /** A TAP interface that stays, and that the user may take as his through /dev/net/tun (whose mode is another matter). */
  export function tapCreate(name: string, uid: number): void;
  export function interfaceUp(name: string, up: boolean): void;
  /** Attaches a file to a free loop device and returns its path (/dev/loopN) and device number. */
  export function loopAttach(path: string, options: { readonly readOnly: boolean; readonly directIo: boolean }): { readonly path: string; readonly major: number; readonly minor: number };
  export function loopDetach(loopPath: string): void;
  /** A socket that becomes readable when Linux announces that a device came, changed or went; one `read` takes one announcement. `read` throws ENOBUFS where some were lost. */
  export function openUevents(): number;

  // ---- event channels: one /dev/xen/evtchn for the process ----------------------------------------
  export function evtchnAllocUnbound(remoteDomid: number): number;
  export function evtchnBindInterdomain(remoteDomid: number, remotePort: number): number;
  export function evtchnBindVirq(virq: number): number;
  export function evtchnUnbind(port: number): void;
  export function evtchnNotify(port: number): void;
  /** The handler for every port of this process. The port is unmasked before the handler runs. */
  export function onEvent(handler: ((port: number) => void) | null): void;
  /** Waits for one port without running the loop; other ports' events stay queued for the handler. false: timed out. */
  export function evtchnWait(port: number, timeoutMs: number): boolean;

  // ---- shared memory: reached only by copies and aligned 32-bit words --------------------------
  /** Maps another domain's granted pages, in order, as one region; returns the region's number. */
  export function grantMap(domid: number, refs: readonly number[], writable: boolean): number;
  /** Allocates zeroed pages and grants them to `domid`. */
  export function grantShare(domid: number, pages: number, writable: boolean): { readonly region: number; readonly refs: number[] };
  /**
   * As `grantShare`, writable, but pages and grants outlive the process: one that is started again gets the same pages, as they are, under the same
   * references. One such share in a VM, of 16 pages at most; whoever asks for another one gets EBUSY.
   */
  export function grantKeep(domid: number, pages: number): { readonly region: number; readonly refs: number[] };
  /** Maps another domain's frames. `domid` 0x7ff0 (DOMID_SELF) maps frames of this domain. */
  export function foreignMap(domid: number, gfns: readonly number[], writable: boolean): number;
  /** Maps the first pages of a file, shared with whoever else maps it: for services outside of Xen. Whoever shortens the file later ends this process. */
  export function regionFile(path: string, pages: number, writable: boolean): number;
  /** Unmaps and, for a share, ends the grant. */
  export function regionClose(region: number): void;
  export function regionSize(region: number): number;
  export function regionRead(region: number, offset: number, length: number): Uint8Array;
  export function regionWrite(region: number, offset: number, bytes: Uint8Array): void;
  /** Sequentially consistent: a store is seen before any later load. `offset` is a multiple of 4; values are 0..2^32-1. */
  export function regionLoad32(region: number, offset: number): number;
  export function regionStore32(region: number, offset: number, value: number): void;

  // ---- hypercalls: domain control ---------------------------------------------------------------
  export interface DomainInfo {
    readonly domid: number;
    readonly ssid: number;
    readonly uuid: Uint8Array;
    readonly state: { readonly dying: boolean; readonly shutdown: boolean; readonly paused: boolean; readonly blocked: boolean; readonly running: boolean };
    /** SHUTDOWN_* of public/sched.h: 0 poweroff, 1 reboot, 2 suspend, 3 crash, 4 watchdog; null unless shut down. */
    readonly shutdownReason: number | null;
    readonly memoryKib: number;
    readonly maxMemoryKib: number;
    readonly vcpus: number;
    readonly cpuTimeNs: bigint;
  }
  /** Domains from `first` upward, at most `max` (≤ 1024). */
  export function domainList(first: number, max: number): DomainInfo[];
  /**
   * Creates a domain, with 64-bit guests' defaults, grant table v1; a PVH or HVM one with hardware-assisted paging and memory for its page tables: a PVH
   * one with local APICs alone, an HVM one with all of a PC's devices that Xen itself emulates. Returns the domid. `domid` 0 takes the next free one.
   */
  export function domainCreate(options: { readonly kind: 'pv' | 'pvh' | 'hvm'; readonly domid: number; readonly ssid: number; readonly uuid: Uint8Array; readonly vcpus: number; readonly maxMemoryKib: number; readonly iommu: boolean; readonly clockOffsetSeconds: number; readonly grantFrames: number; readonly maptrackFrames: number; readonly eventPorts: number }): number;
  export function domainDestroy(domid: number): void;
  export function domainPause(domid: number): void;
  export function domainUnpause(domid: number): void;
  /** SHUTDOWN_*, forced on the domain. */
  export function domainShutdown(domid: number, reason: number): void;
  /** Presses the power button of an HVM domain's PC; EINVAL of a PV one. What its system makes of that, Xen does not know. */
  export function domainPowerButton(domid: number): void;
  export function domainSetMaxMem(domid: number, kib: number): void;
  /** An unbound event channel in `domid` that `remoteDomid` may bind. */
  export function domainAllocEvtchn(domid: number, remoteDomid: number): number;
  /** Sends a global VIRQ to `domid` from now on. */
  export function domainSetVirqHandler(domid: number, virq: number): void;
  export interface PvBuild {
    readonly domid: number;
    readonly memoryMib: number;
    /** Files; the ramdisks are concatenated, each from a page of its own on, with zeroes between. */
    readonly kernel: string;
    readonly ramdisks: readonly string[];
    /** At most 1023 bytes. */
    readonly cmdline: string;
    /** When set, ` <name>=<store page's gfn>` is added to the command line (for VMs that use the store page as a plain link). */
    readonly storePageParameter?: string;
    readonly storeDomid: number;
    /** 0: the kernel sees no XenStore. */
    readonly storePort: number;
    readonly consoleDomid: number;
    readonly consolePort: number;
    /** Sets SIF_INITDOMAIN|SIF_PRIVILEGED and an initial domain's console union: for the hardware domain. */
    readonly hardwareDomain: boolean;
  }
  /** Loads kernel and ramdisk, builds page tables, seeds grants 0 (console) and 1 (store), sets the vcpu. The domain stays paused. */
  export function domainBuildPv(options: PvBuild): { readonly storeGfn: number; readonly consoleGfn: number };
  export interface PvhBuild {
    readonly domid: number;
    readonly memoryMib: number;
    /** Files, as of a PvBuild; the kernel has a note that says where PVH starts. */
    readonly kernel: string;
    readonly ramdisks: readonly string[];
    /** At most 1023 bytes. */
    readonly cmdline: string;
    readonly vcpus: number;
    /** Of a page between 0xf0000000 and libxenguest's special pages. */
    readonly acpiAddress: number;
    /** What is written there: a RSDP (36 bytes) and the tables that it leads to, a page at most. */
    readonly acpi: Uint8Array;
    readonly storeDomid: number;
    readonly storePort: number;
    readonly consoleDomid: number;
    readonly consolePort: number;
  }
  /** Loads kernel, ramdisk and ACPI tables, lays out the memory, seeds grants 0 (console) and 1 (store), sets the first vcpu. The domain stays paused. */
  export function domainBuildPvh(options: PvhBuild): { readonly storeGfn: number; readonly consoleGfn: number };
  export interface HvmBuild {
    readonly domid: number;
    readonly memoryMib: number;
    readonly vcpus: number;
    /** Files: hvmloader, and the firmware that it starts. */
    readonly loader: string;
    readonly firmware: string;
    readonly apic: boolean;
    readonly hpet: boolean;
    readonly storeDomid: number;
    readonly storePort: number;
    readonly consoleDomid: number;
    readonly consolePort: number;
  }
  /** Loads hvmloader and firmware, lays out the memory, seeds grants 0 (console) and 1 (store), sets the first vcpu. The domain stays paused. */
  export function domainBuildHvm(options: HvmBuild): { readonly storeGfn: number; readonly consoleGfn: number };
  /** Makes `domid` the emulator of the HVM domain `target`, for good. */
  export function domainSetTarget(domid: number, target: number): void;
  export function flaskContextToSid(context: string): number;
  export function flaskSidToContext(sid: number): string;
  export function flaskRelabel(domid: number, ssid: number): void;
  export function flaskEnforcing(): boolean;

  // ---- hypercalls: devices (PCIBack) -----------------------------------------------------------
  /** `sbdf`: segment<<16 | bus<<8 | device<<3 | function */
  export function pciAssign(domid: number, sbdf: number): void;
  export function pciDeassign(domid: number, sbdf: number): void;
  export function iomemPermission(domid: number, firstMfn: number, count: number, allow: boolean): void;
  export function ioportPermission(domid: number, first: number, count: number, allow: boolean): void;
  /** Maps a GSI for `domid`; returns the pirq. */
  export function mapGsi(domid: number, gsi: number): number;
  export function irqPermission(domid: number, pirq: number, allow: boolean): void;

  // ---- hypercalls: host ------------------------------------------------------------------------
  export function physInfo(): { readonly cpus: number; readonly totalKib: number; readonly freeKib: number; readonly cpuKhz: number; readonly hvm: boolean; readonly iommu: boolean };
  export function xenVersion(): { readonly version: string; readonly commandLine: string; readonly compileDate: string; readonly changeset: string };
  /** Xen's own message buffer (`xl dmesg`), at most 64 KiB. */
  export function xenMessages(): string;

  // ---- heap snapshot and rollback ----------------------------------------------------------------
  /**
   * Takes the snapshot as soon as the running handler has returned and no promise job is left; from then on the JavaScript
   * heap is rolled back to it after every handler (event, timer, descriptor). Handlers, timers and queued jobs registered before
   * the snapshot survive; what a later handler registers is gone with its heap. A timer of the snapshot fires again and again, every
   * `delayMs`. C objects (descriptors, regions, ports) are not undone, a closed descriptor's handlers stay away, and `Math.random()`
   * repeats itself: use `randomBytes`. A handler that throws or exceeds its limit is logged and rolled back like any other.
   */
  export function rollbackAfterEveryHandler(): void;
  /**
   * Runs after every handler that failed and was rolled back (threw, left a rejection, exceeded its limit), before any other one, as a handler of
   * its own. If it fails as well, the process ends with status 1. To be set before the snapshot; null: nothing is run.
   */
  export function onHandlerFailure(handler: (() => void) | null): void;
  /** Handlers that run longer than this (with what they wait for) are ended with an exception, from the next handler on. Default: 10 s; 0: no limit. The module's own start has none. */
  export function setHandlerLimit(milliseconds: number): void;
  export function heapStats(): { readonly usedBytes: number; readonly limitBytes: number; readonly snapshotBytes: number; readonly rollbacks: number };
  /** The recovery box: one byte string outside the heap that survives rollback and a restart of the process. At most 256 KiB. */
  export function boxWrite(bytes: Uint8Array): void;
  /** null: never written. Treat what comes back as untrusted. */
  export function boxRead(): Uint8Array | null;
}
