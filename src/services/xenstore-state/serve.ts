/** State's end of its one link: a word of the page says where Logic finds it (docs/decisions/0003), then requests come and answers go. */
import { XENSTORE_LOGIC_DOMID } from '../../contracts/domids.ts';
import {
  CONNECTION_NEW_STATE,
  JOURNAL_PAGES,
  LOGIC_PORT_OFFSET,
  STATE_LIFE_OFFSET,
  STATE_PORT_OFFSET,
  stateOperations,
} from '../../contracts/xenstore-state.ts';
import { consumeRing, readRing, resetRings, writeRing } from '../../kit/ring.ts';
import { DecodeError, encode } from '../../wire/binary.ts';
import { CONNECTION_CONNECTED, CONNECTION_OFFSET } from '../../wire/byte-ring.ts';
import { encodeFrame, FrameReader } from '../../wire/frame.ts';
import { concat } from '../../wire/xenstore-message.ts';
import {
  type Clock,
  type EventChannels,
  type EventPort,
  type Grants,
  type Log,
  PortError,
  type SharedRegion,
} from '../../xen/ports.ts';
import { Box, type BoxPorts } from './box.ts';
import { Contents } from './contents.ts';
import { answerMessage } from './messages.ts';
import { type StateSettings, XenStoreState } from './state.ts';

export interface ServePorts extends StateSettings {
  readonly page: SharedRegion;
  /** For the pages that Logic reads, and those that it writes. */
  readonly grants: Pick<Grants, 'share' | 'keep'>;
  /** How many of the former. */
  readonly contentsPages: number;
  readonly eventChannels: EventChannels;
  readonly box: BoxPorts;
  readonly clock: Pick<Clock, 'after'>;
}

const NOTHING = new Uint8Array(0);
const SECOND_MS = 1000;
/** What State tells itself, as messages, so that the log has it. */
const AGED = Uint8Array.of(stateOperations.aged[0]);
const STARTED = Uint8Array.of(stateOperations.started[0], ...encode(stateOperations.started[1], { who: 'state' }));

export function serveState(ports: ServePorts): void {
  const { page, grants, eventChannels, log } = ports;
  // First of all: what Logic has seen of the predecessor's pages is not to be believed any more.
  page.store32(STATE_LIFE_OFFSET, (page.load32(STATE_LIFE_OFFSET) + 1) >>> 0);
  const port = eventChannels.allocUnbound(XENSTORE_LOGIC_DOMID);
  const contents = grants.share(XENSTORE_LOGIC_DOMID, ports.contentsPages, false);
  const journal = grants.keep(XENSTORE_LOGIC_DOMID, JOURNAL_PAGES);
  const pages = { contents: contents.refs, journal: journal.refs };
  const box = new Box(ports.box);
  const state = new XenStoreState(new Contents(contents.region), pages, ports);
  restore(state, box, log);
  const server = new Server(state, box, page, log);
  server.answer(STARTED);
  const watchReservation = reservationWatch(ports, state, () => {
    if (state.hasReservation) server.answer(AGED);
    eventChannels.notify(port);
  });
  watchReservation();
  eventChannels.onEvent(port, () => {
    if (server.serve()) eventChannels.notify(port);
    watchReservation();
  });
  resetRings(page);
  // A Logic that waits for an answer of this program's predecessor learns that there will be none.
  page.store32(CONNECTION_OFFSET, CONNECTION_NEW_STATE);
  page.store32(STATE_PORT_OFFSET, port);
  wakeLogic(ports, page.load32(LOGIC_PORT_OFFSET));
  // One that has found the port already, by its predecessor's number, waits there.
  eventChannels.notify(port);
}

/** What the box has is what a predecessor has written: it is believed as far as it makes sense. */
export function restore(state: XenStoreState, box: Box, log: Log): void {
  const { snapshot } = box;
  try {
    if (snapshot) state.load(snapshot);
    for (const message of box.messages()) answerMessage(state, message, log);
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof PortError)) throw error;
    log(`the recovery box is damaged, and what was not read of it is lost: ${error.message}`);
  }
}

/**
 * As long as a transaction is reserved for somebody, seconds pass for it, and Logic is reminded of those whose changes it holds. Once more when it
 * has ended: a reminder that comes with an answer is not noticed.
 */
function reservationWatch({ clock }: ServePorts, state: XenStoreState, onSecond: () => void): () => void {
  let isOn = false;
  const tick = (): void =>
    void clock.after(SECOND_MS, () => {
      isOn = state.hasReservation;
      onSecond();
      if (isOn) tick();
    });
  return () => {
    if (isOn || !state.hasReservation) return;
    isOn = true;
    tick();
  };
}

/** A Logic that came first waits on a port of its own. What its word says may be old or wrong: then nobody waits there. */
function wakeLogic({ eventChannels, log }: ServePorts, logicPort: EventPort): void {
  if (logicPort === 0) return;
  try {
    const port = eventChannels.bindInterdomain(XENSTORE_LOGIC_DOMID, logicPort);
    eventChannels.notify(port);
    eventChannels.unbind(port);
  } catch {
    log(`nobody waits on port ${logicPort} of xenstore-logic`);
  }
}

class Server {
  private frames = new FrameReader();
  private output: Uint8Array = NOTHING;
  /** Logic broke the framing: nothing is understood until it starts again. */
  private deaf = false;

  constructor(
    private readonly state: XenStoreState,
    private readonly box: Box,
    private readonly page: SharedRegion,
    private readonly log: Log,
  ) {}

  /** One round of reading, answering and writing; true when Logic must be told. */
  serve(): boolean {
    const connection = this.page.load32(CONNECTION_OFFSET);
    if (connection === CONNECTION_NEW_STATE) return false;
    if (connection !== CONNECTION_CONNECTED) return this.startAnew();
    if (this.deaf) return false;
    const read = this.read();
    const written = this.output.length > 0 ? writeRing(this.page, 'server', this.output) : 0;
    if (read === null || written === null) return this.goDeaf();
    this.output = this.output.subarray(written);
    return read + written > 0;
  }

  private read(): number | null {
    const bytes = readRing(this.page, 'server');
    const messages = bytes && this.frames.push(bytes);
    if (!bytes || !messages || typeof messages === 'string') return null;
    consumeRing(this.page, 'server', bytes.length);
    for (const message of messages) {
      const frame = encodeFrame(this.answer(message));
      this.output = this.output.length > 0 ? concat(this.output, frame) : frame;
    }
    return bytes.length;
  }

  answer(message: Uint8Array): Uint8Array {
    const { answer, leavesTrace } = answerMessage(this.state, message, this.log);
    if (leavesTrace) this.box.keep(message, () => this.state.save());
    return answer;
  }

  /** Half a request and the rest of an answer belong to Logic's predecessor. */
  private startAnew(): boolean {
    this.frames = new FrameReader();
    this.output = NOTHING;
    this.deaf = false;
    resetRings(this.page);
    this.page.store32(CONNECTION_OFFSET, CONNECTION_CONNECTED);
    return true;
  }

  private goDeaf(): false {
    this.deaf = true;
    this.log('xenstore-logic broke the framing: ignored until it starts again');
    return false;
  }
}
