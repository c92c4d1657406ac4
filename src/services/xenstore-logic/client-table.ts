/**
 * The table of connected clients, in the recovery box: which ring and port are whose, and what is left to do for them. It is all that Logic
 * itself keeps from one handler to the next. Whoever reads it checks it: a table that is none ends the process, and the next one makes
 * it anew from State's registry.
 */
import { LAST_GUEST_DOMID } from '../../contracts/domids.ts';
import type { DomId, EventPort } from '../../xen/ports.ts';
import type { RecoveryBox } from './ports.ts';

export interface Client {
  readonly domid: DomId;
  readonly port: EventPort;
  readonly ring: number;
  /** A request may wait in its ring although no event will come for it. */
  waiting: boolean;
  /** State holds bytes that its ring had no room for. */
  unsent: boolean;
  /** State may hold the first part of its request. */
  partial: boolean;
  /** It broke the protocol: nothing is read or written until it is introduced again. */
  broken: boolean;
  /** Its shutdown has been announced. */
  shutdown: boolean;
}

const flags = ['waiting', 'unsent', 'partial', 'broken', 'shutdown'] as const;
const MAGIC = 0x31_4c_4e_45;
const HEADER_BYTES = 8;
const RECORD_BYTES = 12;

export class ClientTable {
  private constructor(
    private readonly box: RecoveryBox,
    private readonly clients: Client[],
    private turn: number,
  ) {}

  static empty(box: RecoveryBox): ClientTable {
    return new ClientTable(box, [], 0);
  }

  static read(box: RecoveryBox): ClientTable {
    const bytes = box.read();
    if (!bytes || bytes.length < HEADER_BYTES || (bytes.length - HEADER_BYTES) % RECORD_BYTES !== 0)
      throw new Error('the recovery box holds no client table');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(0, true) !== MAGIC) throw new Error('the recovery box holds something else');
    const count = (bytes.length - HEADER_BYTES) / RECORD_BYTES;
    const clients = Array.from({ length: count }, (_, index) => decode(view, HEADER_BYTES + index * RECORD_BYTES));
    return new ClientTable(box, clients, view.getUint32(4, true));
  }

  save(): void {
    const bytes = new Uint8Array(HEADER_BYTES + this.clients.length * RECORD_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, this.turn, true);
    for (const [index, client] of this.clients.entries()) encode(view, HEADER_BYTES + index * RECORD_BYTES, client);
    this.box.write(bytes);
  }

  add(domid: DomId, port: EventPort, ring: number): Client {
    const nothing = { waiting: false, unsent: false, partial: false, broken: false, shutdown: false };
    const client = { domid, port, ring, ...nothing };
    this.clients.push(client);
    return client;
  }

  remove(client: Client): void {
    this.clients.splice(this.clients.indexOf(client), 1);
  }

  all(): readonly Client[] {
    return [...this.clients];
  }

  of(domid: DomId): Client | undefined {
    return this.clients.find((client) => client.domid === domid);
  }

  at(port: EventPort): Client | undefined {
    return this.clients.find((client) => client.port === port);
  }

  get someoneWaits(): boolean {
    return this.clients.some((client) => client.waiting);
  }

  /** Clients take turns, so that a busy one holds nobody up for long. */
  nextWaiting(): Client | undefined {
    const count = this.clients.length;
    for (let step = 1; step <= count; step += 1) {
      const index = (this.turn + step) % count;
      const client = this.clients[index];
      if (!client?.waiting) continue;
      this.turn = index;
      return client;
    }
    return undefined;
  }
}

function encode(view: DataView, at: number, client: Client): void {
  const set = flags.reduce((bits, name, bit) => (client[name] ? bits | (1 << bit) : bits), 0);
  view.setUint16(at, client.domid, true);
  view.setUint16(at + 2, set, true);
  view.setUint32(at + 4, client.port, true);
  view.setUint32(at + 8, client.ring, true);
}

function decode(view: DataView, at: number): Client {
  const domid = view.getUint16(at, true);
  const set = view.getUint16(at + 2, true);
  if (domid > LAST_GUEST_DOMID || set >= 1 << flags.length) throw new Error('the client table is damaged');
  const has = (name: (typeof flags)[number]): boolean => (set & (1 << flags.indexOf(name))) !== 0;
  return {
    domid,
    port: view.getUint32(at + 4, true),
    ring: view.getUint32(at + 8, true),
    waiting: has('waiting'),
    unsent: has('unsent'),
    partial: has('partial'),
    broken: has('broken'),
    shutdown: has('shutdown'),
  };
}
