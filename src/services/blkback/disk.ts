/** Finds the disk that holds the volumes: the ext4 file system labelled `ennead`, on a whole disk or on a partition. */
import { hardware } from '../../kit/hardware.ts';
import type { Files, Streams } from '../../xen/ports.ts';

export const DISK_LABEL = 'ennead';

/** @source Linux fs/ext4/ext4.h, struct ext4_super_block, which begins 1024 bytes into the device */
const SUPERBLOCK = { offset: 1024, magicAt: 56, magic: 0xef53, labelAt: 120, labelLength: 16 } as const;
const READ_BYTES = 4096;

/** The device's path; null: no such disk, or not yet. */
export function findDisk(ports: { readonly files: Files; readonly streams: Streams }): string | null {
  for (const disk of hardware(ports.files, '/sys/block'))
    for (const name of [disk, ...partitions(ports.files, disk)])
      if (ext4Label(firstBytes(ports.streams, `/dev/${name}`)) === DISK_LABEL) return `/dev/${name}`;
  return null;
}

function partitions(files: Files, disk: string): string[] {
  const folder = `/sys/block/${disk}`;
  return files.list(folder).filter((name) => files.stat(`${folder}/${name}/partition`) !== null);
}

/** Empty where a drive has no medium, or cannot be read: then it is not ours. */
function firstBytes(streams: Streams, path: string): Uint8Array {
  try {
    const stream = streams.open(path, 'r');
    try {
      return stream.read(READ_BYTES) ?? new Uint8Array();
    } finally {
      stream.close();
    }
  } catch {
    return new Uint8Array();
  }
}

/** null: not ext2, ext3 or ext4. */
export function ext4Label(bytes: Uint8Array): string | null {
  const superblock = bytes.subarray(SUPERBLOCK.offset);
  if (superblock.length < SUPERBLOCK.labelAt + SUPERBLOCK.labelLength) return null;
  const magic = superblock[SUPERBLOCK.magicAt]! | (superblock[SUPERBLOCK.magicAt + 1]! << 8);
  if (magic !== SUPERBLOCK.magic) return null;
  const label = superblock.subarray(SUPERBLOCK.labelAt, SUPERBLOCK.labelAt + SUPERBLOCK.labelLength);
  const end = label.indexOf(0);
  return String.fromCharCode(...(end < 0 ? label : label.subarray(0, end)));
}
