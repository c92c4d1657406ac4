import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeFiles } from '../../kit/fake-driver-vm.ts';
import { PortError } from '../../xen/ports.ts';
import { VolumeStore } from './volume-store.ts';

const FOLDER = '/disk/volumes';
const MIB = 1024 ** 2;

let files: FakeFiles;
let volumes: VolumeStore;

beforeEach(() => {
  files = new FakeFiles();
  files.freeBytes = 1024 * MIB;
  volumes = new VolumeStore(files, FOLDER);
});

describe('create()', () => {
  it('makes a volume that takes no space yet', () => {
    volumes.create('root', 64 * MIB);
    expect(volumes.list()).toEqual([{ name: 'root', bytes: 64 * MIB, allocatedBytes: 0 }]);
    expect(files.list(FOLDER)).toEqual(['root.img']);
  });

  it('refuses a name that is taken', () => {
    volumes.create('root', MIB);
    expect(() => volumes.create('root', MIB)).toThrow(expect.objectContaining({ code: 'exists' }));
  });

  it('takes exactly what freeBytes() says, and not a sector more', () => {
    const free = volumes.freeBytes();
    expect(free).toBeGreaterThan(1000 * MIB);
    expect(() => volumes.create('big', free + 512)).toThrow(expect.objectContaining({ code: 'full' }));
    volumes.create('big', free);
    expect(() => volumes.create('small', 512)).toThrow(expect.objectContaining({ code: 'full' }));
  });

  it('counts what a volume was promised, not only what it has taken', () => {
    volumes.create('half', 600 * MIB);
    expect(() => volumes.create('other', 600 * MIB)).toThrow(expect.objectContaining({ code: 'full' }));
  });

  it('does not count twice what a volume has taken already', () => {
    volumes.create('half', 500 * MIB);
    const before = volumes.freeBytes();
    files.tree.get(`${FOLDER}/half.img`)!.allocated = 500 * MIB;
    files.freeBytes -= 500 * MIB;
    expect(Math.abs(volumes.freeBytes() - before)).toBeLessThan(5 * MIB);
  });

  it('leaves nothing behind when the disk fails', () => {
    files.rename = () => {
      throw new PortError('EIO', 'rename', 'disk');
    };
    expect(() => volumes.create('root', MIB)).toThrow('EIO');
    expect(files.list(FOLDER)).toEqual([]);
  });

  it('never lets the volumes, filled to the last byte, exceed the disk', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 1024 * 2048 }), { maxLength: 20 });
    fc.assert(
      fc.property(sizes, (sectors) => {
        const store = new VolumeStore(Object.assign(new FakeFiles(), { freeBytes: 1024 * MIB }), FOLDER);
        sectors.forEach((count, index) => {
          try {
            store.create(`v${index}`, count * 512);
          } catch (error) {
            expect(error).toMatchObject({ code: 'full' });
          }
        });
        const promised = store.list().reduce((sum, volume) => sum + volume.bytes, 0);
        expect(promised).toBeLessThanOrEqual(1024 * MIB);
      }),
    );
  });
});

describe('delete()', () => {
  it('removes the volume and gives its space back', () => {
    const before = volumes.freeBytes();
    volumes.create('root', 64 * MIB);
    volumes.delete('root');
    expect(volumes.list()).toEqual([]);
    expect(volumes.freeBytes()).toBe(before);
  });

  it.each(['root', '../volumes', '', 'a/b'])('refuses %j, which is no volume', (name) => {
    expect(() => volumes.delete(name)).toThrow(expect.objectContaining({ code: 'missing' }));
  });
});

it('a file that was being created when the power went is removed, and other files are no volumes', () => {
  files.add(`${FOLDER}/new`).add(`${FOLDER}/lost+found/x`).add(`${FOLDER}/.hidden.img`);
  expect(new VolumeStore(files, FOLDER).list()).toEqual([]);
  expect(files.stat(`${FOLDER}/new`)).toBeNull();
});

it('list() is in the order of names', () => {
  for (const name of ['b', 'a-1', 'a.1', 'B']) volumes.create(name, 512);
  expect(volumes.list().map(({ name }) => name)).toEqual(['B', 'a-1', 'a.1', 'b']);
});
