/**
 * Bytes on their way to clients, and requests out of their rings: in batches, each of which happens once, whatever ends Logic meanwhile. Bytes go
 * into a ring where nobody sees them; then the journal learns the new indices; then the rings do. What a ring has no room for waits in State.
 */
import { placeAt } from '../../kit/ring.ts';
import { inputOf, outputOf, RING_BYTES, ringErrors, usedBytes } from '../../wire/byte-ring.ts';
import type { DomId } from '../../xen/ports.ts';
import type { Client, ClientTable } from './client-table.ts';
import { BATCH_CLIENTS_MAX, BATCH_QUEUED_BYTES_MAX, type Batch, type Journal } from './journal.ts';
import type { LogicPorts } from './ports.ts';
import type { StateClient } from './state-client.ts';

type Queued = Batch['queued']['messages'][number];
const QUEUED_OVERHEAD_BYTES = 16;

const input = inputOf('server');
const output = outputOf('server');

export class Delivery {
  /** Producer indices behind what this batch has put into rings. */
  private placed = new Map<DomId, number>();
  private queued: Queued[] = [];
  private queuedBytes = 0;
  private readonly toDrain: Client[] = [];
  private readonly toNotify = new Set<Client>();
  /** Messages that were given to this object, and how many of them went out before it was made. */
  private given = 0;
  private alreadyOut = 0;

  constructor(
    private readonly ports: LogicPorts,
    private readonly table: ClientTable,
    private readonly state: StateClient,
    private readonly journal: Journal,
    private readonly onFault: (client: Client, error: number) => void,
  ) {}

  /** Somebody else has delivered the first `count` of what is going to be given. */
  passOver(count: number): void {
    this.alreadyOut = count;
  }

  /** Empty messages are none. */
  send(domid: DomId, kind: 'event' | 'reply', message: Uint8Array): void {
    this.given += 1;
    const client = this.table.of(domid);
    if (this.given <= this.alreadyOut || message.length === 0 || !client || client.broken) return;
    if (this.isFull(message)) this.carryOut(false, null);
    const behind = client.unsent || this.queued.some((queued) => queued.domid === domid);
    if (!behind && this.place(client, message)) return;
    this.queued.push({ domid, kind, message });
    this.queuedBytes += message.length + QUEUED_OVERHEAD_BYTES;
  }

  /** All that was given is told, and the request that it comes from is taken out of its ring. */
  conclude(request: Batch['consumed']): void {
    this.carryOut(true, request);
    this.given = 0;
    this.alreadyOut = 0;
  }

  /** Fills the rings as far as they go, and tells those whose ring has changed: Linux makes an event only when it empties a full ring. */
  finish(): void {
    for (let client = this.toDrain.pop(); client; client = this.toDrain.pop())
      if (this.isThere(client)) this.drain(client);
    this.toNotify.forEach((client) => {
      if (this.isThere(client)) this.ports.eventChannels.notify(client.port);
    });
    this.toNotify.clear();
  }

  /** Sends what State holds for the client, as far as there is room. */
  drain(client: Client): void {
    while (client.unsent && !client.broken) {
      const ring = this.ports.rings.at(client.ring);
      const producer = ring.load32(output.producer);
      const used = usedBytes(ring.load32(output.consumer), producer);
      if (used === 'bad-index') {
        this.onFault(client, ringErrors.index);
        return;
      }
      const { next } = this.state.ask('unsent', { domid: client.domid, producer });
      client.unsent = next.length > 0;
      // Only a ring that is seen full after the last byte went in is left: its reader will make an event.
      const part = next.subarray(0, RING_BYTES - used);
      if (part.length === 0) return;
      ring.store32(output.producer, placeAt(ring, output, producer, part));
      this.toNotify.add(client);
    }
  }

  /** The client's ring needs an event, whether or not anything was written. */
  notify(client: Client): void {
    this.toNotify.add(client);
  }

  /** A client may have been released since. */
  private isThere(client: Client): boolean {
    return this.table.of(client.domid) === client;
  }

  private isFull(message: Uint8Array): boolean {
    const queuedBytes = this.queuedBytes + message.length + QUEUED_OVERHEAD_BYTES;
    return this.placed.size === BATCH_CLIENTS_MAX || queuedBytes > BATCH_QUEUED_BYTES_MAX;
  }

  /** false: there is no room. */
  private place(client: Client, message: Uint8Array): boolean {
    const ring = this.ports.rings.at(client.ring);
    const producer = this.placed.get(client.domid) ?? ring.load32(output.producer);
    const used = usedBytes(ring.load32(output.consumer), producer);
    if (used === 'bad-index') {
      this.onFault(client, ringErrors.index);
      return true;
    }
    if (used + message.length > RING_BYTES) return false;
    this.placed.set(client.domid, placeAt(ring, output, producer, message));
    return true;
  }

  private carryOut(last: boolean, consumed: Batch['consumed']): void {
    const batch = {
      // The message that found no room any more is not in it.
      through: last ? this.given : this.given - 1,
      last,
      published: this.placed,
      queued: { batch: this.journal.nextBatch, messages: this.queued },
      consumed,
    };
    if (this.placed.size > 0) this.placed = new Map();
    this.queued = [];
    this.queuedBytes = 0;
    this.journal.begin(batch);
    this.perform(batch);
  }

  /** May be done again: an earlier run of Logic may have begun it. */
  perform(batch: Batch): void {
    batch.published.forEach((producer, domid) => {
      this.move(domid, output.producer, producer);
    });
    if (batch.queued.messages.length > 0) this.queue(batch.queued);
    if (batch.consumed) this.move(batch.consumed.domid, input.consumer, batch.consumed.consumer);
    this.journal.end(batch);
  }

  private move(domid: DomId, index: number, value: number): void {
    const client = this.table.of(domid);
    if (!client || client.broken) return;
    this.ports.rings.at(client.ring).store32(index, value);
    this.toNotify.add(client);
  }

  private queue(queued: Batch['queued']): void {
    const { lost } = this.state.ask('queue', queued);
    if (lost.length > 0) this.ports.log(`domains ${lost.join(', ')} do not read: events lost`);
    for (const { domid } of queued.messages) {
      const client = this.table.of(domid);
      if (!client) continue;
      client.unsent = true;
      if (!this.toDrain.includes(client)) this.toDrain.push(client);
    }
  }
}
