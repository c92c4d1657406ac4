/**
 * A client's ring as Linux drives it. It is thrifty with events: one after writing only if the server had read everything before, one after
 * reading only if the ring had been full. A server that counts on more events hangs.
 * @source Linux drivers/xen/xenbus/xenbus_comms.c, xb_write, xb_read
 */

import { placeAt, readAt } from '../../../src/kit/ring.ts';
import { advance, inputOf, outputOf, RING_BYTES, usedBytes } from '../../../src/wire/byte-ring.ts';
import type { ByteStream, EventChannels, EventPort, SharedRegion } from '../../../src/xen/ports.ts';

const requests = outputOf('client');
const responses = inputOf('client');

export class LinuxRing implements ByteStream {
  private output: Uint8Array[] = [];
  private readable: (() => void) | null = null;

  constructor(
    readonly region: SharedRegion,
    private readonly eventChannels: EventChannels,
    private readonly port: EventPort,
  ) {
    eventChannels.onEvent(port, () => {
      this.flush();
      while (this.readable && this.waiting > 0) this.readable();
    });
  }

  read(bytesMax: number): Uint8Array | null {
    const consumer = this.region.load32(responses.consumer);
    const length = Math.min(this.waiting, bytesMax);
    if (length === 0) return null;
    const bytes = readAt(this.region, responses, consumer, length);
    this.region.store32(responses.consumer, advance(consumer, length));
    const produced = (this.region.load32(responses.producer) - consumer) >>> 0;
    if (produced >= RING_BYTES) this.notify();
    return bytes;
  }

  /** As the xenbus device does, it takes everything, and feeds the ring as there is room. */
  write(bytes: Uint8Array): number {
    this.output.push(bytes.slice());
    this.flush();
    return bytes.length;
  }

  onReadable(handler: (() => void) | null): void {
    this.readable = handler;
    if (handler && this.waiting > 0) handler();
  }

  onWritable(): void {}

  close(): void {
    this.readable = null;
  }

  notify(): void {
    this.eventChannels.notify(this.port);
  }

  private flush(): void {
    for (let first = this.output[0]; first; first = this.output[0]) {
      const producer = this.region.load32(requests.producer);
      const used = usedBytes(this.region.load32(requests.consumer), producer);
      if (typeof used === 'string' || used === RING_BYTES) return;
      const length = Math.min(RING_BYTES - used, first.length);
      this.region.store32(requests.producer, placeAt(this.region, requests, producer, first.subarray(0, length)));
      if (this.region.load32(requests.consumer) === producer) this.notify();
      if (length < first.length) this.output[0] = first.subarray(length);
      else this.output.shift();
    }
  }

  private get waiting(): number {
    const used = usedBytes(this.region.load32(responses.consumer), this.region.load32(responses.producer));
    return typeof used === 'string' ? 0 : used;
  }
}
