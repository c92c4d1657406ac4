/** A message link over one shared page: framing on byte rings, with bounded queues. The ends differ only in their role. */

import { ERROR_OFFSET, type RingRole, ringErrors } from '../wire/byte-ring.ts';
import { encodeFrame, FrameReader } from '../wire/frame.ts';
import type { DomId, EventChannels, EventPort, SharedRegion } from '../xen/ports.ts';
import type { MessageLink } from './link.ts';
import { consumeRing, readRing, writeRing } from './ring.ts';

/** What may wait for a peer that does not read, before the link is given up. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;
/** What comes in before everybody else has a turn: a peer that writes as fast as this end reads would keep the program for itself. */
export const TURN_BYTES_MAX = 64 * 1024;
/** Handling a message costs more than its bytes. */
const MESSAGE_COST_BYTES = 64;

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

export const isDismissed = (region: SharedRegion): boolean => region.load32(ERROR_OFFSET) !== ringErrors.none;

/** Instead of a link: tells the client that nobody will serve it on this page, and lets go of it. */
export function dismissClient(events: EventChannels, { region, port }: RingEnd): void {
  region.store32(ERROR_OFFSET, ringErrors.communication);
  events.notify(port);
  events.unbind(port);
  region.close();
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
  private drainWaiters: (() => void)[] = [];
  /** Of what may still come in in this turn. */
  private turnBytes = 0;

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

  drained(): Promise<void> {
    if (this.output.length === 0 || this.closedWhy !== null) return Promise.resolve();
    return new Promise((resolve) => this.drainWaiters.push(resolve));
  }

  onMessage(handler: (message: Uint8Array) => void): void {
    this.handler = handler;
    this.pump();
  }

  onClosed(handler: (why: string) => void): void {
    if (this.closedWhy === null) this.closedHandlers.push(handler);
    else handler(this.closedWhy);
  }

  close(): void {
    this.shut('closed here');
  }

  private pump(): void {
    this.turnBytes = TURN_BYTES_MAX;
    while (this.closedWhy === null) {
      this.deliver();
      const moved = this.flush() + this.receive();
      if (moved === 0 || this.closedWhy !== null) return;
      this.events.notify(this.end.port);
      if (this.turnBytes > 0) continue;
      setTimeout(() => this.pump(), 0);
      return;
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
    if (this.output.length === 0) this.tellDrained();
    return total;
  }

  private tellDrained(): void {
    const waiters = this.drainWaiters;
    this.drainWaiters = [];
    for (const resolve of waiters) resolve();
  }

  /** Nothing more while messages wait for a handler. */
  private receive(): number {
    if (this.closedWhy !== null || this.input.length > 0) return 0;
    if (this.end.role === 'client' && isDismissed(this.end.region)) {
      this.shut('the server has closed the link');
      return 0;
    }
    const bytes = readRing(this.end.region, this.end.role);
    const messages = bytes === null ? 'bad ring index' : this.frames.push(bytes);
    if (bytes === null || typeof messages === 'string') {
      this.shut(typeof messages === 'string' ? messages : 'bad ring index');
      return 0;
    }
    consumeRing(this.end.region, this.end.role, bytes.length);
    this.input.push(...messages);
    this.turnBytes -= bytes.length + MESSAGE_COST_BYTES * messages.length;
    return bytes.length;
  }

  private shut(why: string): void {
    if (this.closedWhy !== null) return;
    this.closedWhy = why;
    this.events.unbind(this.end.port);
    this.end.region.close();
    this.tellDrained();
    for (const handler of this.closedHandlers) handler(why);
  }
}
