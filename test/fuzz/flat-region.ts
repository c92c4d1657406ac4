/** Shared pages as one run of bytes, for programs that share a process. */
import { PortError, type SharedRegion } from '../../src/xen/ports.ts';

const PAGE_BYTES = 4096;

export class FlatRegion implements SharedRegion {
  readonly size: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(pages: number) {
    this.size = pages * PAGE_BYTES;
    this.bytes = new Uint8Array(this.size);
    this.view = new DataView(this.bytes.buffer);
  }

  read(offset: number, length: number): Uint8Array {
    this.check(offset, length);
    return this.bytes.slice(offset, offset + length);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.check(offset, bytes.length);
    this.bytes.set(bytes, offset);
  }

  load32(offset: number): number {
    this.check(offset, 4);
    return this.view.getUint32(offset, true);
  }

  store32(offset: number, value: number): void {
    this.check(offset, 4);
    this.view.setUint32(offset, value, true);
  }

  close(): void {}

  private check(offset: number, length: number): void {
    if (offset < 0 || length < 0 || offset + length > this.size)
      throw new PortError('EINVAL', 'region', `offset ${offset}, length ${length}`);
  }
}
