/** A message link over one shared page: framing on byte rings, with bounded queues. The ends differ only in their role. */

import type { RingRole } from '../wire/byte-ring.ts';
import { encodeFrame, FrameReader } from '../wire/frame.ts';
import type { DomId, EventChannels, EventPort, SharedRegion } from '../xen/ports.ts';
import type { MessageLink } from './link.ts';
import { consumeRing, readRing, writeRing } from './ring.ts';

/** What may wait for a peer that does not read, before the link is given up. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;

export interface RingEnd {
  readonly role: RingRole;
  readonly peer: DomId;
  readonly region: SharedRegion;
  readonly port: EventPort;
}

/** Takes over the region and the port: both are released when the link closes. */
export function ringLink(events: EventChannels, end: RingEnd): MessageLink {
  return new RingLink(events, end);
}

class RingLink implements MessageLink {
  readonly peer: DomId;
  private readonly frames = new FrameReader();
  private readonly output: Uint8Array[] = [];
  private outputBytes = 0;
  private readonly input: Uint8Array[] = [];
  private handler: ((message: Uint8Array) => void) | null = null;
  private readonly closedHandlers: ((why: string) => void)[] = [];
  private closedWhy: string | null = null;

  constructor(
    private readonly events: EventChannels,
    private readonly end: RingEnd,
  ) {
    this.peer = end.peer;
    events.onEvent(end.port, () => this.pump());
    // What the peer wrote before this end existed made no event here.
    events.notify(end.port);
    this.pump();
  }

  send(message: Uint8Array): void {
    if (this.closedWhy !== null) return;
    const frame = encodeFrame(message);
    this.outputBytes += frame.length;
    this.output.push(frame);
    if (this.outputBytes > QUEUE_BYTES_MAX) this.shut('the peer does not read');
    else if (this.flush() > 0) this.events.notify(this.end.port);
  }

  onMessage(handler: (message: Uint8Array) => void): void {
    this.handler = handler;
    this.deliver();
  }

  onClosed(handler: (why: string) => void): void {
    if (this.closedWhy === null) this.closedHandlers.push(handler);
    else handler(this.closedWhy);
  }

  close(): void {
    this.shut('closed here');
  }

  private pump(): void {
    while (this.closedWhy === null) {
      const moved = this.flush() + this.receive();
      if (moved === 0 || this.closedWhy !== null) return;
      this.events.notify(this.end.port);
      this.deliver();
    }
  }

  /** A handler that sends comes back into `flush` alone, so messages keep their order. */
  private deliver(): void {
    for (let first = this.input[0]; first && this.handler && this.closedWhy === null; first = this.input[0]) {
      this.input.shift();
      this.handler(first);
    }
  }

  private flush(): number {
    let total = 0;
    for (let first = this.output[0]; first && this.closedWhy === null; first = this.output[0]) {
      const taken = writeRing(this.end.region, this.end.role, first);
      if (taken === null) this.shut('bad ring index');
      if (!taken) break;
      total += taken;
      this.outputBytes -= taken;
      if (taken < first.length) this.output[0] = first.subarray(taken);
      else this.output.shift();
    }
    return total;
  }

  private receive(): number {
    if (this.closedWhy !== null) return 0;
    const bytes = readRing(this.end.region, this.end.role);
    const messages = bytes === null ? 'bad ring index' : this.frames.push(bytes);
    if (bytes === null || typeof messages === 'string') {
      this.shut(typeof messages === 'string' ? messages : 'bad ring index');
      return 0;
    }
    consumeRing(this.end.region, this.end.role, bytes.length);
    this.input.push(...messages);
    return bytes.length;
  }

  private shut(why: string): void {
    if (this.closedWhy !== null) return;
    this.closedWhy = why;
    this.events.unbind(this.end.port);
    this.end.region.close();
    for (const handler of this.closedHandlers) handler(why);
  }
}
