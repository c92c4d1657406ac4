/** For tests: a guest that prints and reads, written from the header rather than with the code it tests. */
import type { SharedRegion } from '../../../xen/ports.ts';

export class FakeGuestConsole {
  /** `ring`: tells the other end. */
  constructor(
    readonly page: SharedRegion,
    private readonly ring: () => void,
  ) {}

  /** As much as there is room for; returns how much that was. */
  print(text: string): number {
    const bytes = new TextEncoder().encode(text);
    let producer = this.page.load32(3084);
    let count = 0;
    while (count < bytes.length && ((producer - this.page.load32(3080)) | 0) < 2048) {
      this.page.write(1024 + (producer & 2047), bytes.subarray(count, count + 1));
      producer = (producer + 1) >>> 0;
      count += 1;
    }
    this.page.store32(3084, producer);
    this.ring();
    return count;
  }

  readAll(): string {
    let consumer = this.page.load32(3072);
    const bytes: number[] = [];
    while (consumer !== this.page.load32(3076)) {
      bytes.push(this.page.read(consumer & 1023, 1)[0]!);
      consumer = (consumer + 1) >>> 0;
    }
    this.page.store32(3072, consumer);
    if (bytes.length > 0) this.ring();
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }
}
