import { describe, expect, it } from 'vitest';
import { parseLdd } from './extra-files.ts';

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
