/** What a machine's description must be beside what its schema says. */
import type { Machine } from '../../contracts/device-model.ts';
import { QEMU_DEVICE } from '../../contracts/qemu-volume.ts';

/** null: none. */
export function problemOf({ drives, cards }: Machine): string | null {
  const devices = drives.flatMap(({ device }) => device ?? []);
  const disk = drives.find(({ device, cdrom }) => device === null && !cdrom);
  return (
    repeated(
      'drive',
      drives.map(({ name }) => name),
    ) ??
    repeated('disk', devices) ??
    repeated(
      'card',
      cards.map(({ index }) => String(index)),
    ) ??
    (devices.includes(QEMU_DEVICE) ? `${QEMU_DEVICE} has QEMU's own files` : null) ??
    (disk ? `${disk.name} is no CD drive and has no disk` : null)
  );
}

function repeated(what: string, names: readonly string[]): string | null {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? null : `there are two of ${what} ${twice}`;
}
