import { describe, expect, it } from 'vitest';
import type { Files } from '../xen/ports.ts';
import { mountMissing } from './mounts.ts';

/** Just enough of Linux: /proc/self/mounts is there once /proc is. */
function machine(mounted: string[]) {
  const made: string[] = [];
  const files = {
    stat: (path: string) => (path === '/proc/self/mounts' ? mounted.includes('/proc') || null : null),
    read: () => new TextEncoder().encode(mounted.map((target) => `none ${target} type rw 0 0\n`).join('')),
    makeDirectory: (path: string) => made.push(path),
    mount: (_source: string, target: string) => mounted.push(target),
  };
  return { files: files as unknown as Files, mounted, made };
}

describe('mountMissing()', () => {
  it('mounts everything in a fresh VM, and nothing twice', () => {
    const { files, mounted } = machine([]);
    mountMissing(files);
    expect(mounted).toEqual(['/proc', '/sys', '/dev', '/run', '/tmp']);
    mountMissing(files);
    expect(mounted).toHaveLength(5);
  });
});
