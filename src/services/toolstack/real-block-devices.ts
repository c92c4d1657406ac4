/** Linux's block devices, through ennead-rt. */
import * as rt from 'ennead:rt';
import type { BlockDevices } from './own-disks.ts';

const SECTOR_BYTES = 512;
const SIZE_TEXT_BYTES_MAX = 64;

export const blockDevices: BlockDevices = {
  open(name, access) {
    const path = `/dev/${name}`;
    if (rt.stat(path)?.kind !== 'block') return null;
    const sectors = new TextDecoder().decode(rt.readFile(`/sys/class/block/${name}/size`, SIZE_TEXT_BYTES_MAX));
    const fd = rt.open(path, access === 'w' ? 'r+' : 'r');
    return {
      bytes: Number(sectors.trim()) * SECTOR_BYTES,
      readAt: (offset, length) => readWhole(fd, offset, length),
      writeAt: (offset, bytes) => writeWhole(fd, offset, bytes),
      flush: () => rt.fsync(fd),
      close: () => rt.close(fd),
    };
  },
};

function readWhole(fd: number, offset: number, length: number): Uint8Array {
  const whole = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const part = rt.pread(fd, length - done, offset + done);
    if (part.length === 0) throw new Error(`the device ends at ${offset + done}`);
    whole.set(part, done);
    done += part.length;
  }
  return whole;
}

function writeWhole(fd: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += rt.pwrite(fd, bytes.subarray(done), offset + done);
}
