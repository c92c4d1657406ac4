import { describe, expect, it } from 'vitest';
import { debianMaterials, extraEntries, parseLdd } from './extra-files.ts';
import { installedVersions, toolboxOf } from './packages.ts';

describe('parseLdd()', () => {
  it('takes libraries and the loader, not what the kernel provides', () => {
    const text = `\tlinux-vdso.so.1 (0x00007ffe)
\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f01)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f02)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f03)
`;
    expect(parseLdd(text)).toEqual([
      '/lib/x86_64-linux-gnu/libz.so.1',
      '/lib/x86_64-linux-gnu/libc.so.6',
      '/lib64/ld-linux-x86-64.so.2',
    ]);
  });

  it('refuses a program with a missing library', () => {
    expect(() => parseLdd('\tlibgone.so.1 => not found\n')).toThrow('libgone');
  });

  it('takes nothing from a static program', () => {
    expect(parseLdd('\tstatically linked\n')).toEqual([]);
  });
});

describe('debianMaterials()', () => {
  it('names the package and version of a program and of each of its libraries', async () => {
    const program = '/usr/bin/dpkg-query';
    const paths = (await extraEntries([program])).map(({ path }) => `/${path}`);
    const versions = await installedVersions();
    const materials = await debianMaterials(paths, toolboxOf(versions));
    expect(materials).toHaveLength(paths.length);
    const byName = new Map(materials.map((material) => [material.name, material]));
    expect(byName.get(`dpkg: ${program}`)?.version).toBe(versions.get('dpkg'));
    expect([...byName.keys()].filter((name) => name.startsWith('libc6: '))).not.toEqual([]);
    for (const { version, sha256 } of materials) {
      expect(version).not.toBe('missing');
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it('refuses a file that no package has', async () => {
    const versions = toolboxOf(await installedVersions());
    await expect(debianMaterials([import.meta.filename], versions)).rejects.toThrow('no Debian package has');
  });
});
