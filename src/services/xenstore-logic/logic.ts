/**
 * XenStore-Logic. One handler run answers one request of one client, or goes on with what waits for a client, or looks which domains have
 * gone. All that it knows comes from its arguments, the recovery box and State, so that the heap can be rolled back after it.
 */
import { consumeRing } from '../../kit/ring.ts';
import { ERROR_OFFSET } from '../../wire/byte-ring.ts';
import { type ErrorName, encodePacket, encodeStrings, messageTypes, type Packet } from '../../wire/xenstore-message.ts';
import type { DomId, EventPort } from '../../xen/ports.ts';
import { type Client, ClientTable } from './client-table.ts';
import { Domains } from './domains.ts';
import { receive, unreadBytes } from './inbox.ts';
import { Outbox } from './outbox.ts';
import type { LogicPorts } from './ports.ts';
import type { Firing, Request } from './request.ts';
import { ignoresTransaction, looksAtNodes, requestHandlers } from './request-table.ts';
import { StateClient } from './state-client.ts';
import { eventMessage, watchEvents } from './watch-events.ts';

/** A client's event channel fired. */
export function onEvent(ports: LogicPorts, port: EventPort): void {
  const table = ClientTable.read(ports.box);
  const client = table.at(port);
  if (client) serve(ports, table, client);
}

/** `ports.wake` was called: the next client that waits has its turn. */
export function onWake(ports: LogicPorts): void {
  const table = ClientTable.read(ports.box);
  const client = table.nextWaiting();
  if (client) serve(ports, table, client);
}

/** Xen says that some domain has changed. */
export function onDomainException(ports: LogicPorts): void {
  const logic = new Logic(ports, ClientTable.read(ports.box));
  logic.domains.lookForTheGone();
  logic.finish();
}

/** The process has started: connects the clients that State knows from before, and those that are there since boot. */
export function onStart(ports: LogicPorts, atBoot: readonly { domid: DomId; port: EventPort }[]): void {
  const logic = new Logic(ports, ClientTable.empty(ports.box));
  logic.domains.connectAll(atBoot);
  logic.finish();
}

function serve(ports: LogicPorts, table: ClientTable, client: Client): void {
  if (client.waiting) {
    // Settled before the work begins: should it fail half-way, the others that wait still have their turn.
    client.waiting = false;
    table.save();
    if (table.someoneWaits) ports.wake();
  }
  const logic = new Logic(ports, table);
  logic.serve(client);
  logic.finish();
  // Looked at again after the client was told that there is room: what it added before that made no event.
  if (client.waiting || !logic.hasInput(client)) return;
  client.waiting = true;
  table.save();
  ports.wake();
}

/** One handler run. */
class Logic {
  private readonly state: StateClient;
  private readonly outbox: Outbox;
  readonly domains: Domains;
  /** Events of this run. */
  private readonly told = new Set<string>();

  constructor(
    private readonly ports: LogicPorts,
    private readonly table: ClientTable,
  ) {
    this.state = new StateClient(ports.state, ports.contents);
    this.outbox = new Outbox(ports, this.state, (client, error) => this.breakOff(client, error));
    this.domains = new Domains(ports, table, this.state, (firing) => this.fire(firing));
  }

  serve(client: Client): void {
    if (client.broken) return;
    this.outbox.drain(client);
    // A client that does not read its answers gets no further ones.
    if (client.unsent || client.broken) return;
    const received = receive(this.ports, this.state, client);
    if (received.is === 'fault') this.breakOff(client, received.error);
    if (received.is === 'taken') this.outbox.notify(client);
    if (received.is !== 'request') return;
    this.answer(client, received.packet);
    // Only now is the request done: whoever starts again before this finds it still there.
    if (!client.broken) consumeRing(this.ports.rings.at(client.ring), 'server', received.ringBytes);
    this.outbox.notify(client);
  }

  finish(): void {
    this.outbox.flush();
    this.table.save();
    if (this.table.someoneWaits) this.ports.wake();
  }

  hasInput(client: Client): boolean {
    if (client.broken || client.unsent || !this.table.of(client.domid)) return false;
    return unreadBytes(this.ports.rings.at(client.ring)) !== 0;
  }

  private answer(client: Client, { type, requestId, transactionId, payload }: Packet): void {
    const later: (() => void)[] = [];
    const { domid: connection } = client;
    const result = this.result(type, {
      domid: this.ports.actsAs(connection),
      connection,
      transaction: transactionId,
      payload,
      state: this.state,
      domains: this.domains,
      fire: (firing) => this.fire(firing),
      sendEvent: (path, token) => later.push(() => this.send(connection, eventMessage(path, token))),
    });
    const refused = typeof result === 'string';
    const reply = { requestId, transactionId, payload: refused ? encodeStrings([result]) : result };
    this.outbox.send(client, 'reply', encodePacket({ ...reply, type: refused ? messageTypes.error : type }));
    for (const work of later) work();
  }

  /** As with xenstored, an unknown transaction is what is wrong with a request before anything else is. Looks at nodes find it out by themselves. */
  private result(type: number, request: Request): Uint8Array | ErrorName {
    const handler = requestHandlers.get(type);
    if (!handler) return 'ENOSYS';
    if (ignoresTransaction.has(type)) return handler(request);
    if (!looksAtNodes.has(type) && this.lacksTransaction(request)) return 'ENOENT';
    const result = handler(request);
    return result === 'EINVAL' && this.lacksTransaction(request) ? 'ENOENT' : result;
  }

  private lacksTransaction({ connection: domid, transaction }: Request): boolean {
    return transaction !== 0 && !this.state.ask('transactionKnown', { domid, transaction }).known;
  }

  private fire({ fired, more }: Firing): void {
    for (const one of fired)
      for (const { to, path, token } of watchEvents(one, this.ports.actsAs)) this.tell(to, path, token);
    if (more) this.fire(this.state.ask('firedNext', {}));
  }

  /** A change that two watches with one token see the same way is told once, as by xenstored. */
  private tell(domid: DomId, path: string, token: string): void {
    const event = [domid, path, token].join('\0');
    if (this.told.has(event)) return;
    this.told.add(event);
    this.send(domid, eventMessage(path, token));
  }

  private send(domid: DomId, message: Uint8Array): void {
    const client = this.table.of(domid);
    if (client && message.length > 0) this.outbox.send(client, 'event', message);
  }

  /** The client loses its connection, and nobody else notices. */
  private breakOff(client: Client, error: number): void {
    client.broken = true;
    client.waiting = false;
    this.ports.log(`domain ${client.domid} broke the protocol: connection lost`);
    this.ports.rings.at(client.ring).store32(ERROR_OFFSET, error);
    this.outbox.notify(client);
    this.state.ask('forget', { domid: client.domid });
  }
}
