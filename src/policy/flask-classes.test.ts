import { describe, expect, it } from 'vitest';
import { type ClassFiles, parseClassFiles } from './flask-classes.ts';
import { xenClassFiles } from './testing/xen-classes.ts';

const files = (changes: Partial<ClassFiles>): ClassFiles => ({ ...xenClassFiles, ...changes });

describe('parseClassFiles()', () => {
  it('keeps the order of security_classes, which is the numbering that Xen was compiled with', () => {
    const { permissions } = parseClassFiles(
      files({
        securityClasses: 'class b # last\n# class c\nclass a\n',
        accessVectors: 'class a\n{\n# says\n  one\n  two }\nclass b { three }',
      }),
    );
    expect([...permissions]).toEqual([
      ['b', ['three']],
      ['a', ['one', 'two']],
    ]);
  });

  it('reads what Xen 4.17 declares', () => {
    const { permissions, initialSids } = parseClassFiles(xenClassFiles);
    expect(permissions.size).toBe(13);
    expect(permissions.get('grant')).toEqual(['map_read', 'map_write', 'unmap', 'transfer', 'setup', 'copy', 'query']);
    expect(initialSids.slice(0, 3)).toEqual(['xenboot', 'xen', 'dom0']);
  });

  it('refuses a class without permissions and a file that is not what it should be', () => {
    expect(() => parseClassFiles(files({ securityClasses: 'class ghost' }))).toThrow(/no permissions for class ghost/);
    expect(() => parseClassFiles(files({ initialSids: 'class xen' }))).toThrow(/initial_sids: expected "sid <name>"/);
  });
});
