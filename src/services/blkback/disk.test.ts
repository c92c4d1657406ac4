import { describe, expect, it } from 'vitest';
import { FakeFiles, FakeUevents } from '../../kit/fake-driver-vm.ts';
import { waitForHardware } from '../../kit/hardware.ts';
import { VirtualClock } from '../../xen/memory/virtual-clock.ts';
import type { ByteStream, Streams } from '../../xen/ports.ts';
import { ext4Label, findDisk } from './disk.ts';

/** The first 4 KiB of an ext4 file system, as mke2fs lays them out. */
function ext4(label: string): Uint8Array {
  const bytes = new Uint8Array(4096);
  bytes.set([0x53, 0xef], 0x438);
  bytes.set(new TextEncoder().encode(label), 0x478);
  return bytes;
}

/** Devices whose first bytes can be read; any other cannot be opened. */
function streamsOf(contents: Record<string, Uint8Array>): Streams {
  const open = (path: string): ByteStream => {
    const bytes = contents[path];
    if (!bytes) throw new Error(`ENOMEDIUM ${path}`);
    return {
      read: (max) => bytes.subarray(0, max),
      write: () => 0,
      onReadable: () => {},
      onWritable: () => {},
      close: () => {},
    };
  };
  return { open, listen: () => () => {}, connect: open };
}

function addDisk(files: FakeFiles, name: string, subsystem: string, ...partitions: string[]): void {
  files.add(`/sys/block/${name}/device/subsystem`, `../../bus/${subsystem}`, 'link');
  for (const partition of partitions) files.add(`/sys/block/${name}/${partition}/partition`, '1');
}

describe('ext4Label()', () => {
  it('reads the label up to its first zero byte', () => {
    expect(ext4Label(ext4('ennead'))).toBe('ennead');
  });
  it('reads a label that fills its field', () => {
    expect(ext4Label(ext4('sixteen-letters-'))).toBe('sixteen-letters-');
  });
  it('refuses what is no ext4 file system', () => {
    const other = ext4('ennead');
    other[0x438] = 0x54;
    expect(ext4Label(other)).toBeNull();
  });
  it('refuses a device that is too short', () => {
    expect(ext4Label(ext4('ennead').subarray(0, 0x478 + 15))).toBeNull();
    expect(ext4Label(new Uint8Array())).toBeNull();
  });
});

describe('findDisk()', () => {
  it('finds a whole disk by its label', () => {
    const files = new FakeFiles();
    addDisk(files, 'sda', 'scsi');
    addDisk(files, 'sdb', 'scsi');
    const streams = streamsOf({ '/dev/sda': ext4('other'), '/dev/sdb': ext4('ennead') });
    expect(findDisk({ files, streams })).toBe('/dev/sdb');
  });

  it('finds a partition', () => {
    const files = new FakeFiles();
    addDisk(files, 'nvme0n1', 'nvme', 'nvme0n1p1', 'nvme0n1p2');
    const streams = streamsOf({ '/dev/nvme0n1p1': ext4(''), '/dev/nvme0n1p2': ext4('ennead') });
    expect(findDisk({ files, streams })).toBe('/dev/nvme0n1p2');
  });

  it("passes over loop devices, Xen disks and drives that cannot be read: a guest's label does not count", () => {
    const files = new FakeFiles().add('/sys/block/loop0/loop/backing_file', '/disk/volumes/a.img');
    addDisk(files, 'xvda', 'xen');
    addDisk(files, 'sr0', 'scsi');
    const streams = streamsOf({ '/dev/loop0': ext4('ennead'), '/dev/xvda': ext4('ennead') });
    expect(findDisk({ files, streams })).toBeNull();
  });
});

describe('waitForHardware()', () => {
  it('looks again after each announcement and leaves neither listener nor timer', async () => {
    const uevents = new FakeUevents();
    const clock = new VirtualClock(async () => {});
    let found: string | null = null;
    const waiting = waitForHardware({ uevents, clock }, () => found, 'disk', 1000);
    uevents.announce();
    found = '/dev/sda';
    uevents.announce();
    expect(await waiting).toBe('/dev/sda');
    expect([uevents.listeners.size, clock.timersLeft]).toEqual([0, 0]);
  });

  it('gives up after its time and says what is missing', async () => {
    const uevents = new FakeUevents();
    const clock = new VirtualClock(async () => {});
    const waiting = waitForHardware({ uevents, clock }, () => null, 'disk', 1000);
    const failed = expect(waiting).rejects.toMatchObject({
      code: 'ENODEV',
      message: expect.stringContaining('no disk in 1000 ms'),
    });
    await clock.advance(1000);
    await failed;
    expect(uevents.listeners.size).toBe(0);
  });

  it('passes an error of the search on', async () => {
    const uevents = new FakeUevents();
    const waiting = waitForHardware(
      { uevents, clock: new VirtualClock(async () => {}) },
      () => {
        throw new Error('EIO');
      },
      'disk',
      1000,
    );
    await expect(waiting).rejects.toThrow('EIO');
    expect(uevents.listeners.size).toBe(0);
  });
});
