/** The screens of guests, as `ennead screenshot` saves them: compared with pictures that somebody has looked at. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { ennead } from './ennead.ts';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Four bytes a pixel, row by row. */
  readonly data: Uint8Array;
}

export const decodePng = (bytes: Buffer): Picture => PNG.sync.read(bytes);

export async function screenOf(guest: string): Promise<Picture> {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-screen-'));
  try {
    const file = join(folder, 'screen.png');
    await ennead('screenshot', guest, file);
    return decodePng(await readFile(file));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** How many of the pixels of `part` are otherwise where it lies in `whole`, at this place. Infinite when it does not fit. */
export function difference(whole: Picture, part: Picture, at = { x: 0, y: 0 }): number {
  if (at.x + part.width > whole.width || at.y + part.height > whole.height) return Number.POSITIVE_INFINITY;
  let count = 0;
  for (let y = 0; y < part.height; y++) {
    for (let x = 0; x < part.width; x++) {
      const here = ((at.y + y) * whole.width + at.x + x) * 4;
      const there = (y * part.width + x) * 4;
      if ([0, 1, 2].some((channel) => whole.data[here + channel] !== part.data[there + channel])) count++;
    }
  }
  return count;
}
