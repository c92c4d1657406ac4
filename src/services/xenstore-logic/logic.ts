/**
 * XenStore-Logic. One handler run answers one request of one client, or goes on with what waits for a client, or looks which domains have
 * gone. All that it knows comes from its arguments, the recovery box and State, so that the heap can be rolled back after it, and so that
 * another process, or another VM, can end what it began (docs/decisions/0014).
 */

import type { StateAnswer } from '../../contracts/xenstore-state.ts';
import { ERROR_OFFSET, ringErrors } from '../../wire/byte-ring.ts';
import {
  type ErrorName,
  encodeBinary,
  encodePacket,
  encodeStrings,
  messageTypes,
  type Packet,
} from '../../wire/xenstore-message.ts';
import type { EventPort } from '../../xen/ports.ts';
import type { BootClient } from './boot-clients.ts';
import { Change, conclude, decodeContext, encodeContext, type ReplyContext } from './changes.ts';
import { type Client, ClientTable } from './client-table.ts';
import { Delivery } from './delivery.ts';
import { Domains } from './domains.ts';
import { forgetPartial, receive, unreadBytes } from './inbox.ts';
import { Journal } from './journal.ts';
import { ShownLimits } from './limits.ts';
import type { LogicPorts } from './ports.ts';
import type { Decision, Request } from './request.ts';
import { requestTypes } from './request-table.ts';
import { StateClient } from './state-client.ts';
import { eventMessage, watchEvents } from './watch-events.ts';

/** A client whose request fails Logic so often in a row loses its connection. */
export const FAILURES_MAX = 5;

const NOTHING = new Uint8Array(0);

/** A run leaves nothing in it. After one that failed without a rollback a new one is needed. */
export class Logic {
  private readonly table: ClientTable;
  private readonly state: StateClient;
  private readonly journal: Journal;
  private readonly domains: Domains;
  private readonly delivery: Delivery;
  private readonly limits: ShownLimits;

  constructor(private readonly ports: LogicPorts) {
    this.table = new ClientTable(ports.box);
    this.state = new StateClient(ports.state, ports.contents);
    this.journal = new Journal(ports.journal);
    this.limits = new ShownLimits(ports.contents);
    this.domains = new Domains(ports, this.table, this.state, this.journal);
    const onFault = (client: Client, error: number): void => this.breakOff(client, error);
    this.delivery = new Delivery(ports, this.table, this.state, this.journal, onFault);
  }

  /** A client's event channel fired. */
  onEvent(port: EventPort): void {
    this.table.load();
    const client = this.table.at(port);
    if (client) this.giveTurn(client);
  }

  /** `ports.wake` was called: the next client that waits has its turn. */
  onWake(): void {
    this.table.load();
    const client = this.table.nextWaiting();
    if (client) this.giveTurn(client);
  }

  /** Xen says that some domain has changed. */
  onDomainException(): void {
    this.table.load();
    this.lookForTheGone();
    this.finish();
  }

  /** State says that changes which are held may have a chance now; or that it has started again, and keeps pages until this program lets go of them. */
  onReminder(): void {
    this.ports.state.demandSameState();
    this.table.load();
    if (this.table.retryHeld()) this.finish();
  }

  /** The process has started: connects the clients that State knows from before, and those that are there since boot. */
  onStart(atBoot: readonly BootClient[]): void {
    this.table.clear();
    this.state.ask('started', { who: 'logic' });
    this.journal.forgetHandles();
    const lost = this.domains.connectKnown();
    this.recover();
    if (lost) this.make(lost, null);
    this.lookForTheGone();
    for (const client of atBoot) {
      const introduction = this.domains.connectAtBoot(client);
      if (introduction) this.make(introduction, null);
    }
    this.finish();
  }

  /** A handler has failed, and its heap is rolled back. */
  onFailure(): void {
    if (this.journal.handlesAreUnsure) this.ports.startAgain();
    this.table.load();
    this.recover();
    this.lookForTheGone();
    this.finish();
  }

  private giveTurn(client: Client): void {
    client.waiting = false;
    client.held = false;
    this.serve(client);
    // Looked at again after the client was told that there is room: what it added before that made no event.
    this.finish();
    if (client.waiting || client.held || !this.hasInput(client)) return;
    client.waiting = true;
    this.table.save();
    this.ports.wake();
  }

  /** Ends what an earlier run of Logic had begun. */
  private recover(): void {
    this.ports.state.settle();
    this.table.distrust();
    // Of what was last written to it, or taken from it, a client may not have been told.
    for (const client of this.table.all()) this.delivery.notify(client);
    this.journal.recover(() => this.endBegun());
    const cutShort = this.journal.cutShort();
    const client = cutShort && this.table.of(cutShort.domid);
    if (!client) return;
    if (cutShort.failures >= FAILURES_MAX) this.breakOff(client, ringErrors.communication);
    // Before the others: what fails again fails in a row.
    else this.table.giveTurnTo(client);
  }

  private lookForTheGone(): void {
    const change = this.domains.lookForTheGone();
    if (change) this.make(change, null);
  }

  private serve(client: Client): void {
    this.domains.reconnectIfWanted(client);
    if (client.broken) return;
    this.journal.serve(client.domid);
    this.delivery.drain(client);
    // A client that does not read its answers gets no further ones.
    if (!client.unsent && !client.broken) this.receive(client);
    this.journal.served(client.domid);
  }

  private finish(): void {
    this.delivery.finish();
    this.table.save();
    if (this.table.someoneWaits) this.ports.wake();
  }

  private hasInput(client: Client): boolean {
    if (client.broken || client.unsent || !this.table.of(client.domid)) return false;
    return unreadBytes(this.ports.rings.at(client.ring)) !== 0;
  }

  private receive(client: Client): void {
    const received = receive(this.ports, this.state, client);
    if (received.is === 'fault') this.breakOff(client, received.error);
    if (received.is === 'taken') this.delivery.notify(client);
    if (received.is !== 'request') return;
    this.answer(client, received.packet, received.consumer);
    if (client.held) return;
    forgetPartial(this.state, client);
    this.table.retryHeld();
  }

  private answer({ domid }: Client, { type, requestId, transactionId, payload }: Packet, consumer: number): void {
    const decision = this.decide(type, {
      domid: this.ports.actsAs(domid),
      connection: domid,
      transaction: transactionId,
      at: consumer,
      payload,
      state: this.state,
      domains: this.domains,
      limits: this.limits,
    });
    const ownEvent = type === messageTypes.watch ? payload : NOTHING;
    const to = { domid, consumer, type, requestId, transactionId, ownEvent };
    if (decision instanceof Change) this.make(decision, to);
    else this.reply(to, decision);
  }

  /** As with xenstored, an unknown transaction is what is wrong with a request before anything else is, but for who asks. */
  private decide(type: number, request: Request): Decision {
    const known = requestTypes.get(type);
    if (!known) return 'ENOSYS';
    const { handle, withoutTransaction, mayAsk } = known;
    if (mayAsk && !mayAsk(request.domid)) return 'EACCES';
    if (withoutTransaction === 'refused' && this.lacksTransaction(request)) return 'ENOENT';
    const decision = handle(request);
    const isLate = typeof decision === 'string' && withoutTransaction === 'finds-out';
    return isLate && this.lacksTransaction(request) ? 'ENOENT' : decision;
  }

  private lacksTransaction({ connection: domid, transaction }: Request): boolean {
    return transaction !== 0 && !this.state.ask('transactionKnown', { domid, transaction }).known;
  }

  private make(change: Change, to: ReplyContext): void {
    this.tell(to, this.state.change(this.journal.ask(), encodeContext(to), change));
  }

  private endBegun(): void {
    const batch = this.journal.begun;
    if (batch) this.delivery.perform(batch);
    const untold = this.journal.untold;
    if (untold === null) return;
    const { number, context, answer } = this.state.ask('lastChange', {});
    if (number === untold) {
      this.delivery.passOver(this.journal.through);
      this.tell(decodeContext(context), answer);
    } else this.journal.forgetAsked();
  }

  /** Everything that comes of a change, in the same order whoever does it. */
  private tell(to: ReplyContext, answer: Uint8Array): void {
    const { result, firing } = conclude(answer);
    if (firing && firing.fired.length > 0) this.fire(firing, new Set());
    if (result === 'held') this.putOff(to);
    else this.reply(to, result);
  }

  private reply(to: ReplyContext, result: Uint8Array | ErrorName): void {
    if (to) {
      const { domid, requestId, transactionId, ownEvent } = to;
      const refused = typeof result === 'string';
      const payload = refused ? encodeStrings([result]) : result;
      const type = refused ? messageTypes.error : to.type;
      this.delivery.send(domid, 'reply', encodePacket({ type, requestId, transactionId, payload }));
      if (!refused && ownEvent.length > 0) this.delivery.send(domid, 'event', eventMessage(ownEvent));
    }
    this.delivery.conclude(to);
  }

  /** The request stays in its ring, and has another turn after the next one of somebody else. */
  private putOff(to: ReplyContext): void {
    const client = to && this.table.of(to.domid);
    if (client) client.held = true;
    this.delivery.conclude(null);
  }

  /** A change that two watches with one token see the same way is told once, as by xenstored. */
  private fire(firing: StateAnswer<'firedNext'>, told: Set<string>, from = 0): void {
    for (const one of firing.fired)
      for (const { to, path, token } of watchEvents(one, this.ports.actsAs)) {
        const event = [to, path, token].join('\0');
        if (!told.has(event)) this.delivery.send(to, 'event', eventMessage(encodeBinary(`${path}\0${token}\0`)));
        told.add(event);
      }
    const next = from + firing.fired.length;
    if (firing.more) this.fire(this.state.ask('firedNext', { from: next }), told, next);
  }

  /** The client loses its connection, and nobody else notices. */
  private breakOff(client: Client, error: number): void {
    client.broken = true;
    client.waiting = false;
    const why = error === ringErrors.communication ? 'failed xenstore-logic too often' : 'broke the protocol';
    this.ports.log(`domain ${client.domid} ${why}: connection lost`);
    this.ports.rings.at(client.ring).store32(ERROR_OFFSET, error);
    this.delivery.notify(client);
    this.state.ask('forget', { domid: client.domid });
  }
}
