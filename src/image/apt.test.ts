import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchNewest, packagesIn } from './apt.ts';
import type { Job } from './step.ts';

let dir: string;
let logged: string[];
const job = (): Job => ({ log: (line: string) => logged.push(line) }) as unknown as Job;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ennead-fetch-'));
  logged = [];
});
afterEach(() => rm(dir, { recursive: true }));

/** An archive that lists every version and serves only some, failing after the first file as a real one does. */
const archive = (served: readonly string[]) => async (version: string, into: string) => {
  await writeFile(join(into, `xen_${version}.dsc`), version);
  if (!served.includes(version)) throw new Error('404');
  await writeFile(join(into, `xen_${version}.tar.xz`), version);
};

describe('fetchNewest()', () => {
  it('takes the newest version that is really served, keeps nothing of the others, and records which it was', async () => {
    const fetched = await fetchNewest(job(), 'xen', ['4.17.7', '4.17.5', '4.17.3'], dir, archive(['4.17.5', '4.17.3']));
    expect(fetched.version).toBe('4.17.5');
    expect((await readdir(dir)).sort()).toEqual(['xen_4.17.5.dsc', 'xen_4.17.5.tar.xz']);
    expect(fetched.materials.map(({ name }) => name)).toEqual(['xen_4.17.5.dsc', 'xen_4.17.5.tar.xz']);
    expect(fetched.materials[0]!.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(logged.join()).toContain('xen 4.17.7 is listed but cannot be fetched (404)');
  });

  it('names what it tried when nothing is served, and says so when nothing is listed', async () => {
    await expect(fetchNewest(job(), 'xen', ['2', '1'], dir, archive([]))).rejects.toThrow('tried 2, 1');
    await expect(fetchNewest(job(), 'xen', [], dir, archive([]))).rejects.toThrow('no suitable version');
  });
});

describe('packagesIn()', () => {
  it("reads names and versions from apt's file names, and takes packages only", async () => {
    const files = ['lock', 'qemu-system-xen_1%3a7.2+dfsg-7_amd64.deb', 'zlib1g_1%3a1.2.13.dfsg-1_amd64.deb'];
    for (const file of files) await writeFile(join(dir, file), file);
    expect((await packagesIn(dir)).map(({ name, version }) => `${name} ${version}`)).toEqual([
      'qemu-system-xen 1:7.2+dfsg-7',
      'zlib1g 1:1.2.13.dfsg-1',
    ]);
  });

  it('does not guess the version of a file with another name', async () => {
    await writeFile(join(dir, 'odd.deb'), '');
    await expect(packagesIn(dir)).rejects.toThrow('odd.deb');
  });
});
