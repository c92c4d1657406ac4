import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ennead, enneadJson } from '../ennead.ts';

const HOLE_BYTES = 3 * 1024 * 1024;

it('a volume that was imported is exported byte for byte, holes included, and is gone when it is deleted', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ennead-volume-'));
  try {
    const content = Buffer.concat([
      randomBytes(70_000),
      Buffer.alloc(HOLE_BYTES),
      randomBytes(4096 * 3 - (70_000 % 4096)),
    ]);
    await writeFile(join(folder, 'in.raw'), content);
    await ennead('volume', 'import', 'round-trip', join(folder, 'in.raw'));
    await ennead('volume', 'export', 'round-trip', join(folder, 'out.raw'));
    expect((await readFile(join(folder, 'out.raw'))).equals(content)).toBe(true);
    await ennead('volume', 'delete', 'round-trip');
    const { volumes } = (await enneadJson('volume', 'list')) as { volumes: { name: string }[] };
    expect(volumes.map(({ name }) => name)).not.toContain('round-trip');
  } finally {
    await rm(folder, { recursive: true });
  }
});
