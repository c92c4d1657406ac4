/** Bytes on their way to clients: into the ring when there is room and nothing waits before them, else through State's queue. */
import { writeRing } from '../../kit/ring.ts';
import { outputOf, RING_BYTES, ringErrors, usedBytes } from '../../wire/byte-ring.ts';
import type { Client } from './client-table.ts';
import type { LogicPorts } from './ports.ts';
import type { StateClient } from './state-client.ts';

interface Overflow {
  readonly client: Client;
  readonly kind: 'event' | 'reply';
  readonly message: Uint8Array;
}

export class Outbox {
  private readonly overflow: Overflow[] = [];
  private readonly toNotify = new Set<Client>();

  constructor(
    private readonly ports: LogicPorts,
    private readonly state: StateClient,
    private readonly onFault: (client: Client, error: number) => void,
  ) {}

  send(client: Client, kind: 'event' | 'reply', message: Uint8Array): void {
    if (client.broken) return;
    const behind = client.unsent || this.overflow.some((other) => other.client === client);
    if (!behind && message.length <= this.room(client)) this.write(client, message);
    else this.overflow.push({ client, kind, message });
  }

  /** Hands what did not fit to State and fills the rings: Linux makes an event only when it empties a full ring. */
  flush(): void {
    if (this.overflow.length > 0) {
      const messages = this.overflow.map(({ client, kind, message }) => ({ domid: client.domid, kind, message }));
      const { lost } = this.state.ask('queue', { messages });
      if (lost.length > 0) this.ports.log(`domains ${lost.join(', ')} do not read: events lost`);
      for (const client of new Set(this.overflow.map((overflow) => overflow.client))) {
        client.unsent = true;
        this.drain(client);
      }
    }
    for (const { port } of this.toNotify) this.ports.eventChannels.notify(port);
    this.toNotify.clear();
  }

  /** Sends what State holds for the client, as far as there is room. */
  drain(client: Client): void {
    for (let sent = 0; client.unsent && !client.broken; ) {
      const { next } = this.state.ask('unsent', { domid: client.domid, sent });
      client.unsent = next.length > 0;
      sent = this.write(client, next);
      // Only a ring that is seen full after the last byte went in is left: its reader will make an event.
      if (next.length > 0 && sent === 0) return;
    }
  }

  /** The client's ring needs an event, whether or not anything was written. */
  notify(client: Client): void {
    this.toNotify.add(client);
  }

  private room(client: Client): number {
    const region = this.ports.rings.at(client.ring);
    const { consumer, producer } = outputOf('server');
    const used = usedBytes(region.load32(consumer), region.load32(producer));
    return typeof used === 'string' ? RING_BYTES : RING_BYTES - used;
  }

  private write(client: Client, bytes: Uint8Array): number {
    const written = writeRing(this.ports.rings.at(client.ring), 'server', bytes);
    if (written === null) this.onFault(client, ringErrors.index);
    else if (written > 0) this.toNotify.add(client);
    return written ?? 0;
  }
}
