/**
 * What a guest may be booted from. The images are part of Builder's own root file system, so nobody can change them while it runs;
 * a request names one and never carries a path. PV GRUB is one of them: it loads a kernel from the guest's disk inside the guest.
 */
import { type KnownImage, PV_GRUB } from '../../contracts/builder.ts';
import { IMAGES } from '../../kit/service-vm.ts';
import type { Files } from '../../xen/ports.ts';

const GUEST_IMAGES = `${IMAGES}/guest`;

/** PV GRUB, as it starts in a guest of type pvh. */
export const PVH_GRUB = 'pvgrub-pvh';

/** What an HVM guest starts with: hvmloader, then the BIOS. */
const FIRMWARE = { hvmloader: 'hvmloader', seabios: 'bios-256k.bin' };

export interface StoredImage extends KnownImage {
  readonly path: string;
}

export class KnownImages {
  private readonly images = new Map<string, StoredImage>();

  constructor(files: Pick<Files, 'list' | 'stat'>) {
    for (const name of [PV_GRUB, 'core']) this.add(files, 'kernel', name, `${IMAGES}/${name}.elf`);
    this.add(files, 'kernel', PVH_GRUB, `${IMAGES}/${PVH_GRUB}.bin`);
    for (const [name, file] of Object.entries(FIRMWARE)) this.add(files, 'firmware', name, `${IMAGES}/${file}`);
    if (!files.stat(GUEST_IMAGES)) return;
    for (const file of files.list(GUEST_IMAGES)) {
      const [, name, extension] = /^(.+)\.(elf|cpio)$/.exec(file) ?? [];
      if (name) this.add(files, extension === 'elf' ? 'kernel' : 'ramdisk', name, `${GUEST_IMAGES}/${file}`);
    }
  }

  /** A kernel and a ramdisk may have the same name. */
  find(kind: StoredImage['kind'], name: string): StoredImage | null {
    return this.images.get(`${kind} ${name}`) ?? null;
  }

  list(): KnownImage[] {
    return [...this.images.values()].map(({ name, kind, bytes }) => ({ name, kind, bytes }));
  }

  private add(files: Pick<Files, 'stat'>, kind: StoredImage['kind'], name: string, path: string): void {
    const stat = files.stat(path);
    if (stat?.kind === 'file') this.images.set(`${kind} ${name}`, { name, kind, bytes: stat.size, path });
  }
}
