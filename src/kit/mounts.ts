/** The file systems of a service VM. A process that is started again finds them mounted. */
import type { Files } from '../xen/ports.ts';

const mounts = [
  { type: 'proc', target: '/proc' },
  { type: 'sysfs', target: '/sys' },
  { type: 'devtmpfs', target: '/dev' },
  { type: 'tmpfs', target: '/run' },
  { type: 'tmpfs', target: '/tmp' },
] as const;

const MOUNT_TABLE_BYTES_MAX = 64 * 1024;

export function mountMissing(files: Files): void {
  for (const { type, target } of mounts) {
    if (mountedTargets(files).has(target)) continue;
    if (!files.stat(target)) files.makeDirectory(target, 0o755);
    files.mount(type, target, type);
  }
}

function mountedTargets(files: Files): Set<string> {
  if (!files.stat('/proc/self/mounts')) return new Set();
  const table = new TextDecoder().decode(files.read('/proc/self/mounts', MOUNT_TABLE_BYTES_MAX));
  return new Set(table.split('\n').flatMap((line) => line.split(' ')[1] ?? []));
}
