/** A client's end of a XenStore ring as a byte stream: what /dev/xen/xenbus is in a VM. */
import { consumeRing, readRing, writeRing } from '../kit/ring.ts';
import { ERROR_OFFSET } from '../wire/byte-ring.ts';
import { type ByteStream, type EventChannels, type EventPort, PortError, type SharedRegion } from '../xen/ports.ts';

const END = new Uint8Array(0);

export class RingStream implements ByteStream {
  private readable: (() => void) | null = null;
  private writable: (() => void) | null = null;
  private calling = false;

  constructor(
    private readonly page: SharedRegion,
    private readonly eventChannels: Pick<EventChannels, 'notify' | 'onEvent'>,
    private readonly port: EventPort,
  ) {
    eventChannels.onEvent(port, () => {
      this.writable?.();
      this.callReader();
    });
  }

  /** Its end: the server has given the connection up. */
  read(bytesMax: number): Uint8Array | null {
    const bytes = readRing(this.page, 'client', bytesMax);
    if (bytes === null || (bytes.length === 0 && this.isBroken)) return END;
    if (bytes.length === 0) return null;
    if (consumeRing(this.page, 'client', bytes.length)) this.eventChannels.notify(this.port);
    return bytes;
  }

  write(bytes: Uint8Array): number {
    const written = writeRing(this.page, 'client', bytes);
    if (written === null || this.isBroken)
      throw new PortError('EPIPE', 'write', 'the server has given the connection up');
    if (written > 0) this.eventChannels.notify(this.port);
    return written;
  }

  onReadable(handler: (() => void) | null): void {
    this.readable = handler;
    this.callReader();
  }

  onWritable(handler: (() => void) | null): void {
    this.writable = handler;
  }

  close(): void {
    this.readable = null;
    this.writable = null;
  }

  /** As often as there is something to read; never from within itself. */
  private callReader(): void {
    if (this.calling) return;
    this.calling = true;
    try {
      while (this.readable && this.hasInput) this.readable();
    } finally {
      this.calling = false;
    }
  }

  private get hasInput(): boolean {
    return this.isBroken || readRing(this.page, 'client', 1)?.length !== 0;
  }

  private get isBroken(): boolean {
    return this.page.load32(ERROR_OFFSET) !== 0;
  }
}
