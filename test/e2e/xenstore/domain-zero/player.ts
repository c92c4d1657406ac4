/** Plays programs: one step after the other, each of them answered before the next one begins. */
import {
  CONNECTION_CONNECTED,
  CONNECTION_OFFSET,
  CONNECTION_RECONNECT,
  inputOf,
  SERVER_FEATURES_OFFSET,
} from '../../../../src/wire/byte-ring.ts';
import { encodePacket, messageTypes } from '../../../../src/wire/xenstore-message.ts';
import { type DomId, PortError } from '../../../../src/xen/ports.ts';
import { domainControl } from '../../../../src/xen/real/adapter.ts';
import type { Heard } from '../heard.ts';
import { ask, describeStep, OPERATOR, PRIVILEGED, type Program, type Step } from '../program.ts';
import { Conversation } from './conversation.ts';
import { Relay } from './relay.ts';

const TOO_LONG = 4097;
/** More than a ring holds. */
const IMPOSSIBLE = 5000;
/** Until something that nobody makes an event for is so; each time somebody asks the server for something. */
const LOOKS_MAX = 1000;

export class Player {
  private readonly conversations = new Map<DomId, Conversation>();

  constructor(
    relays: ReadonlyMap<DomId, Relay>,
    private readonly server: DomId,
  ) {
    for (const [domid, relay] of relays) this.conversations.set(domid, new Conversation(relay));
    for (const domid of relays.keys()) if (domid !== PRIVILEGED) this.introduce(domid);
    if (!relays.has(OPERATOR)) this.conversations.set(OPERATOR, this.of(PRIVILEGED));
  }

  /** @throws with the step at which it ended */
  play({ name, steps }: Program): Heard[] {
    for (const conversation of this.conversations.values()) conversation.beginProgram();
    return steps.map((step, index) => {
      try {
        return this.perform(step);
      } catch (error) {
        throw new Error(`${name}, step ${index}: ${describeStep(step)}: ${String(error)}`);
      }
    });
  }

  private perform(step: Step): Heard {
    const answer = this.answer(step);
    // The others' events make room for more.
    for (const conversation of this.conversations.values()) conversation.listen();
    return { answer, events: this.of('by' in step ? step.by : PRIVILEGED).takeEvents() };
  }

  private answer(step: Step): string {
    if (step.do === 'ask') return this.of(step.by).ask(step);
    if (step.do === 'flood') return this.of(step.by).flood(step.asks);
    if (step.do === 'introduce') return this.introduce(step.domid);
    if (step.do === 'break') return this.breakProtocol(step.by, step.how);
    if (step.do === 'reconnect') return this.reconnect(step.domid, step.introduced);
    if (step.do === 'suspend') return this.suspend(step.domid);
    return step.do === 'destroy' ? this.destroy(step.domid) : this.rebuild(step.domid);
  }

  private of(domid: DomId): Conversation {
    const conversation = this.conversations.get(domid);
    if (!conversation) throw new Error(`domain ${domid} is gone`);
    return conversation;
  }

  private introduce(domid: DomId): string {
    const { frame, storePort } = this.of(domid).beginAnew();
    return this.of(PRIVILEGED).ask(ask(PRIVILEGED, 'introduce', [domid, frame, storePort].map(String)));
  }

  private breakProtocol(domid: DomId, how: 'length' | 'index'): string {
    const { relay } = this.of(domid);
    if (how === 'length') relay.send(headerOf(TOO_LONG), () => undefined);
    else relay.scribble(inputOf('server').producer, IMPOSSIBLE);
    this.lookUntil(() => relay.error !== 0);
    return `error ${relay.error}`;
  }

  /** Not every server does what it is asked for. */
  private reconnect(domid: DomId, introduced: boolean): string {
    const { relay } = this.of(domid);
    relay.scribble(CONNECTION_OFFSET, CONNECTION_RECONNECT);
    if (introduced) return `${this.introduce(domid)}, connection ${relay.word(CONNECTION_OFFSET)}`;
    this.looks(() => relay.word(CONNECTION_OFFSET) === CONNECTION_CONNECTED);
    this.of(domid).beginAnew();
    return `features ${relay.word(SERVER_FEATURES_OFFSET)}, connection ${relay.word(CONNECTION_OFFSET)}`;
  }

  private suspend(domid: DomId): string {
    domainControl.shutdown(domid, 'suspend');
    this.lookUntil(() => this.of(PRIVILEGED).hasEvents);
    return 'suspended';
  }

  private destroy(domid: DomId): string {
    this.of(domid).relay.destroy();
    this.conversations.delete(domid);
    this.lookUntil(() => this.look(domid) === '+F~');
    return 'gone';
  }

  private rebuild(domid: DomId): string {
    this.lookUntil(() => domainControl.info(domid) === null);
    const relay = Relay.start(domid, this.server);
    relay.awaitBoot();
    this.conversations.set(domid, new Conversation(relay));
    return this.introduce(domid);
  }

  private look(domid: DomId): string {
    return this.of(PRIVILEGED).ask(ask(PRIVILEGED, 'isDomainIntroduced', [String(domid)]));
  }

  private lookUntil(isSo: () => boolean): void {
    if (!this.looks(isSo)) throw new PortError('ETIMEDOUT', 'lookUntil', String(isSo));
  }

  /** Whether it is so in the end. */
  private looks(isSo: () => boolean): boolean {
    for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
      if (isSo()) return true;
      this.look(PRIVILEGED);
    }
    return false;
  }
}

function headerOf(length: number): Uint8Array {
  const bytes = encodePacket({ type: messageTypes.read, requestId: 0, transactionId: 0, payload: new Uint8Array(0) });
  new DataView(bytes.buffer).setUint32(12, length, true);
  return bytes;
}
