/**
 * Volumes as sparse files, `<folder>/<name>.img`. No overcommitment: a volume is created only if every volume, this one included, can be
 * filled to its last byte and the file system's own records of that still fit.
 */
import { VOLUME_BYTES_MAX, type VolumeErrorCode, volumeName } from '../../contracts/volumes.ts';
import type { Files } from '../../xen/ports.ts';

export class VolumeError extends Error {
  constructor(
    readonly code: VolumeErrorCode,
    message: string,
  ) {
    super(message);
    this.name = 'VolumeError';
  }
}

export interface StoredVolume {
  readonly name: string;
  readonly bytes: number;
  readonly allocatedBytes: number;
}

const SUFFIX = '.img';
/** A file under this name is being created; it is not a volume yet. */
const UNFINISHED = 'new';
/** Of the free space, what ext4 may need to record where a file's blocks are: 12 bytes for a 4 KiB block at worst, and some. */
const METADATA_SHARE = 1 / 128;
const SECTOR_BYTES = 512;

export class VolumeStore {
  constructor(
    private readonly files: Files,
    private readonly folder: string,
  ) {
    if (files.stat(folder) === null) files.makeDirectory(folder, 0o700);
    this.removeUnfinished();
  }

  /** In the order of names. */
  list(): StoredVolume[] {
    return this.files
      .list(this.folder)
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => this.find(file.slice(0, -SUFFIX.length)))
      .filter((volume) => volume !== null)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): StoredVolume | null {
    if (!volumeName.safeParse(name).success) return null;
    const stat = this.files.stat(this.pathOf(name));
    return stat?.kind === 'file' ? { name, bytes: stat.size, allocatedBytes: stat.allocated } : null;
  }

  pathOf(name: string): string {
    return `${this.folder}/${name}${SUFFIX}`;
  }

  /** The largest volume that `create` would take. */
  freeBytes(): number {
    const promised = this.list().reduce((sum, volume) => sum + Math.max(0, volume.bytes - volume.allocatedBytes), 0);
    const usable = Math.floor(this.files.space(this.folder).freeBytes * (1 - METADATA_SHARE)) - promised;
    const sectors = Math.max(0, Math.floor(usable / SECTOR_BYTES));
    return Math.min(sectors * SECTOR_BYTES, VOLUME_BYTES_MAX);
  }

  create(name: string, bytes: number): StoredVolume {
    if (this.find(name)) throw new VolumeError('exists', `volume ${name} exists`);
    const free = this.freeBytes();
    if (bytes > free) throw new VolumeError('full', `volume ${name} needs ${bytes} bytes, ${free} are free`);
    const unfinished = `${this.folder}/${UNFINISHED}`;
    try {
      this.files.allocate(unfinished, bytes);
      this.files.rename(unfinished, this.pathOf(name));
    } catch (error) {
      this.removeUnfinished();
      throw error;
    }
    this.files.sync();
    return { name, bytes, allocatedBytes: 0 };
  }

  delete(name: string): void {
    if (!this.find(name)) throw new VolumeError('missing', `there is no volume ${name}`);
    this.files.remove(this.pathOf(name));
    this.files.sync();
  }

  private removeUnfinished(): void {
    const unfinished = `${this.folder}/${UNFINISHED}`;
    if (this.files.stat(unfinished)) this.files.remove(unfinished);
  }
}
