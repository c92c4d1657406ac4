/** What both sides of the benchmark and its guest agree on. */

/** Under emulation a few MiB take seconds. */
export const DISK_READ_MIB = 16;
export const DISK_WRITE_MIB = 16;
export const DOWNLOAD_MIB = 8;

export const GUEST_NAME = 'bench';
export const GUEST_MEMORY_MIB = 192;

/** Lines of a guest on Xen's console, in this order: hvmloader's first, what SeaBIOS shows first on the screen too, and the guest's own. */
export const marks = {
  processorRuns: /\(d\d+\) HVM Loader/,
  biosStarts: /\(d\d+\) SeaBIOS \(version/,
  /** SeaBIOS writes it on the screen and, at the same time, here. */
  biosOnScreen: /\(d\d+\) Press ESC for boot menu|\(d\d+\) Booting from/,
  linuxRuns: /\(d\d+\) bench: linux runs/,
  readBegins: /\(d\d+\) bench: read begins/,
  readEnds: /\(d\d+\) bench: read ends/,
  writeBegins: /\(d\d+\) bench: write begins/,
  writeEnds: /\(d\d+\) bench: write ends/,
  downloadBegins: /\(d\d+\) bench: download begins/,
  downloadEnds: /\(d\d+\) bench: download ends/,
} as const;
export type Mark = keyof typeof marks;
