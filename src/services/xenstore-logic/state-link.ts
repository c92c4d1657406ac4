/** Logic's end of the link to State: finding it (docs/decisions/0003), and one request at a time, waited for. */
import { XENSTORE_STATE_DOMID } from '../../contracts/domids.ts';
import {
  LOGIC_PORT_OFFSET,
  STATE_LIFE_OFFSET,
  STATE_PORT_OFFSET,
  WAITING_OFFSET,
} from '../../contracts/xenstore-state.ts';
import { consumeRing, readRing, writeRing } from '../../kit/ring.ts';
import { CONNECTION_CONNECTED, CONNECTION_OFFSET, CONNECTION_RECONNECT } from '../../wire/byte-ring.ts';
import { encodeFrame, FrameReader } from '../../wire/frame.ts';
import { type EventChannels, type EventPort, PortError, type SharedRegion } from '../../xen/ports.ts';
import type { StateLink } from './state-client.ts';

/** State needs about two seconds under emulation. Shorter than a handler may run: after that a fresh process tries again. */
const BOOT_TIMEOUT_MS = 8_000;
/** State's word is looked at so often even if no event comes. */
const LOOK_AGAIN_MS = 1000;
/** Longer than any request takes State, shorter than a handler may run. */
const ANSWER_TIMEOUT_MS = 5_000;

/** Throws a PortError ETIMEDOUT when State does not come. */
export function connectState(page: SharedRegion, eventChannels: EventChannels): Link {
  const port = findState(page, eventChannels);
  for (;;) {
    const link = new Link(page, eventChannels, port);
    if (link.startAnew()) return link;
  }
}

/** Leaves Logic's own port in its word: a State that starts again rings there. */
function findState(page: SharedRegion, eventChannels: EventChannels): EventPort {
  const port = bindState(page, eventChannels) ?? waitForState(page, eventChannels);
  page.store32(LOGIC_PORT_OFFSET, port);
  return port;
}

function waitForState(page: SharedRegion, eventChannels: EventChannels): EventPort {
  const wakeUp = eventChannels.allocUnbound(XENSTORE_STATE_DOMID);
  page.store32(LOGIC_PORT_OFFSET, wakeUp);
  try {
    for (let waitedMs = 0; waitedMs < BOOT_TIMEOUT_MS; waitedMs += LOOK_AGAIN_MS) {
      const port = bindState(page, eventChannels);
      if (port !== null) return port;
      eventChannels.wait(wakeUp, LOOK_AGAIN_MS);
    }
    throw new PortError('ETIMEDOUT', 'connectState', 'xenstore-state has not started');
  } finally {
    page.store32(LOGIC_PORT_OFFSET, 0);
    eventChannels.unbind(wakeUp);
  }
}

/** null: State's word holds no port yet, or one of its former life. */
function bindState(page: SharedRegion, eventChannels: EventChannels): EventPort | null {
  const port = page.load32(STATE_PORT_OFFSET);
  if (port === 0) return null;
  try {
    return eventChannels.bindInterdomain(XENSTORE_STATE_DOMID, port);
  } catch {
    return null;
  }
}

/** Keeps no state of its own between two exchanges: a handler may end, and be rolled back, in the middle of one. */
export class Link implements StateLink {
  private readonly life: number;

  constructor(
    private readonly page: SharedRegion,
    private readonly eventChannels: EventChannels,
    /** Fires outside of an exchange, too: when State reminds of changes that are held. */
    readonly port: EventPort,
  ) {
    this.life = page.load32(STATE_LIFE_OFFSET);
  }

  /**
   * false: State has started meanwhile. One that is still starting may have opened a port of its predecessor's number, and be found before it has said that
   * it is new.
   */
  startAnew(): boolean {
    this.page.store32(CONNECTION_OFFSET, CONNECTION_RECONNECT);
    this.eventChannels.notify(this.port);
    while (this.isSameState && this.page.load32(CONNECTION_OFFSET) === CONNECTION_RECONNECT) this.wait();
    if (this.page.load32(CONNECTION_OFFSET) !== CONNECTION_CONNECTED) return false;
    this.page.store32(WAITING_OFFSET, 0);
    return true;
  }

  settle(): void {
    if (this.page.load32(WAITING_OFFSET) !== 0) this.startAnew();
    this.demandSameState();
  }

  /** State makes an event for every byte that it writes and for room in a ring that was full: each turn waits for one. */
  exchange(message: Uint8Array): Uint8Array {
    this.demandSameState();
    this.page.store32(WAITING_OFFSET, 1);
    const answer = this.answer(message);
    this.page.store32(WAITING_OFFSET, 0);
    return answer;
  }

  private answer(message: Uint8Array): Uint8Array {
    const frames = new FrameReader();
    let output = encodeFrame(message);
    for (;;) {
      if (output.length > 0) output = output.subarray(this.write(output));
      this.wait();
      this.demandSameState();
      const bytes = readRing(this.page, 'client');
      const messages = bytes && frames.push(bytes);
      if (!bytes || !messages || typeof messages === 'string') throw broken();
      if (consumeRing(this.page, 'client', bytes.length)) this.eventChannels.notify(this.port);
      if (messages[0]) return messages[0];
    }
  }

  demandSameState(): void {
    if (!this.isSameState) throw new PortError('ENOTCONN', 'exchange', 'xenstore-state has started again');
  }

  private get isSameState(): boolean {
    return this.page.load32(STATE_LIFE_OFFSET) === this.life;
  }

  private write(bytes: Uint8Array): number {
    const written = writeRing(this.page, 'client', bytes);
    if (written === null) throw broken();
    if (written > 0) this.eventChannels.notify(this.port);
    return written;
  }

  private wait(): void {
    if (!this.eventChannels.wait(this.port, ANSWER_TIMEOUT_MS))
      throw new PortError('ETIMEDOUT', 'exchange', 'xenstore-state does not answer');
  }
}

const broken = (): PortError => new PortError('EPROTO', 'exchange', 'xenstore-state broke the framing');
