/**
 * The table of connected clients, in the recovery box: which ring and port are whose, and what is left to do for them. It is all that Logic
 * itself keeps from one handler to the next. Whoever reads it checks it: a table that is none ends the process, and the next one makes
 * it anew from State's registry. Records are sorted by domid and indexed by port, and those that wait are counted: a request costs
 * much the same among a thousand clients as among ten.
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
  /** A change that it asks for has to wait for another one's transaction. */
  held: boolean;
  /** It broke the protocol: nothing is read or written until it is introduced again. */
  broken: boolean;
}

/** In a record's flags. */
const WAITING_BIT = 1;
const UNSENT_BIT = 2;
const PARTIAL_BIT = 4;
const HELD_BIT = 8;
const BROKEN_BIT = 16;
const FLAGS_END = 32;

const MAGIC = 0x32_4c_4e_45;
/** Words of the header: the magic number, whose turn was last, how many have either bit set. */
const TURN = 4;
const WAITING = 8;
const HELD = 12;
const HEADER_BYTES = 16;
const RECORD_BYTES = 12;
/** Behind the records: their numbers, in the order of their ports. */
const INDEX_BYTES = 2;
/** Where a record has its fields. */
const DOMID = 0;
const FLAGS = 2;
const PORT = 4;
const RING = 8;

const EMPTY = new DataView(new ArrayBuffer(HEADER_BYTES));
EMPTY.setUint32(0, MAGIC, true);

/** Records stay bytes until somebody asks for their client: most handlers need one of many. */
export class ClientTable {
  private view: DataView = EMPTY;
  private count = 0;
  /** By record, and by domid; a client that was handed out may have changed since. */
  private readonly handedOut = new Map<number, Client>();
  private readonly known = new Map<DomId, Client>();
  /** The box holds something else. */
  private changed = false;

  constructor(private readonly box: RecoveryBox) {}

  /** As it is in the box. Clients of before are not those of now. */
  load(): void {
    const bytes = this.box.read();
    const count = bytes ? (bytes.length - HEADER_BYTES) / (RECORD_BYTES + INDEX_BYTES) : -1;
    if (!bytes || count < 0 || !Number.isInteger(count)) throw new Error('the recovery box holds no client table');
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.view.getUint32(0, true) !== MAGIC) throw new Error('the recovery box holds something else');
    this.count = count;
    this.changed = false;
    this.forgetClients();
  }

  clear(): void {
    this.rebuild([]);
  }

  save(): void {
    this.settle();
    if (!this.changed) return;
    this.changed = false;
    this.box.write(new Uint8Array(this.view.buffer, this.view.byteOffset, this.view.byteLength));
  }

  add(domid: DomId, port: EventPort, ring: number): Client {
    const nothing = { waiting: false, unsent: false, partial: false, held: false, broken: false };
    const client = { domid, port, ring, ...nothing };
    this.rebuild([...this.all(), client]);
    return client;
  }

  remove(client: Client): void {
    this.rebuild(this.all().filter((other) => other !== client));
  }

  all(): readonly Client[] {
    return Array.from({ length: this.count }, (_, index) => this.client(index));
  }

  of(domid: DomId): Client | undefined {
    const known = this.known.get(domid);
    if (known) return known;
    const index = this.placeOf(domid);
    const client = index < this.count ? this.client(index) : undefined;
    return client?.domid === domid ? client : undefined;
  }

  at(port: EventPort): Client | undefined {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.view.getUint32(offsetOf(this.byPort(middle)) + PORT, true) < port) low = middle + 1;
      else high = middle;
    }
    const client = low < this.count ? this.client(this.byPort(low)) : undefined;
    return client?.port === port ? client : undefined;
  }

  /** Nothing is known of any client any more but that it is there. */
  distrust(): void {
    for (const client of this.all())
      Object.assign(client, { waiting: !client.broken, unsent: true, partial: true, held: false });
  }

  /** As of the last `save`. Another turn for all whose changes are held; false: nobody's is. */
  retryHeld(): boolean {
    if (this.view.getUint32(HELD, true) === 0) return false;
    for (let index = 0; index < this.count; index += 1)
      if ((this.flagsAt(index) & HELD_BIT) !== 0) Object.assign(this.client(index), { held: false, waiting: true });
    return true;
  }

  /** As of the last `save`. */
  get someoneWaits(): boolean {
    return this.view.getUint32(WAITING, true) > 0;
  }

  /** As of the last `save`. Clients take turns, so that a busy one holds nobody up for long. */
  nextWaiting(): Client | undefined {
    if (!this.someoneWaits) return undefined;
    const turn = this.view.getUint32(TURN, true);
    for (let step = 1; step <= this.count; step += 1) {
      const index = (turn + step) % this.count;
      if ((this.flagsAt(index) & WAITING_BIT) === 0) continue;
      this.changed = true;
      this.view.setUint32(TURN, index, true);
      return this.client(index);
    }
    return undefined;
  }

  /** The next one of those that wait. */
  giveTurnTo({ domid }: Client): void {
    this.changed = true;
    this.view.setUint32(TURN, (this.placeOf(domid) + this.count - 1) % this.count, true);
  }

  /** Where the domain's record is, or would be. */
  private placeOf(domid: DomId): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.view.getUint16(offsetOf(middle) + DOMID, true) < domid) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The record that is at this place in the order of ports. */
  private byPort(place: number): number {
    const index = this.view.getUint16(offsetOf(this.count) + INDEX_BYTES * place, true);
    if (index >= this.count) throw new Error('the client table is damaged');
    return index;
  }

  private flagsAt(index: number): number {
    return this.view.getUint16(offsetOf(index) + FLAGS, true);
  }

  private client(index: number): Client {
    const known = this.handedOut.get(index);
    if (known) return known;
    const client = decode(this.view, offsetOf(index));
    this.handOut(index, client);
    return client;
  }

  private forgetClients(): void {
    if (this.handedOut.size === 0) return;
    this.handedOut.clear();
    this.known.clear();
  }

  private handOut(index: number, client: Client): void {
    this.handedOut.set(index, client);
    this.known.set(client.domid, client);
  }

  /** Brings the bytes up to date with the clients that were handed out. */
  private settle(): void {
    this.handedOut.forEach((client, index) => {
      const before = this.flagsAt(index);
      const after = flagsOf(client);
      if (before === after) return;
      this.changed = true;
      this.view.setUint16(offsetOf(index) + FLAGS, after, true);
      this.recount(WAITING, WAITING_BIT, before, after);
      this.recount(HELD, HELD_BIT, before, after);
    });
  }

  private recount(counter: number, bit: number, before: number, after: number): void {
    const change = Number((after & bit) !== 0) - Number((before & bit) !== 0);
    if (change !== 0) this.view.setUint32(counter, this.view.getUint32(counter, true) + change, true);
  }

  private rebuild(clients: readonly Client[]): void {
    const turn = this.view.getUint32(TURN, true);
    const sorted = [...clients].sort((a, b) => a.domid - b.domid);
    this.view = new DataView(new ArrayBuffer(HEADER_BYTES + sorted.length * (RECORD_BYTES + INDEX_BYTES)));
    this.view.setUint32(0, MAGIC, true);
    this.view.setUint32(TURN, turn, true);
    this.count = sorted.length;
    this.forgetClients();
    for (const [index, client] of sorted.entries()) {
      this.handOut(index, client);
      this.view.setUint16(offsetOf(index) + DOMID, client.domid, true);
      this.view.setUint32(offsetOf(index) + PORT, client.port, true);
      this.view.setUint32(offsetOf(index) + RING, client.ring, true);
    }
    this.settle();
    this.changed = true;
    const byPort = [...sorted.entries()].sort(([, a], [, b]) => a.port - b.port);
    for (const [place, [index]] of byPort.entries())
      this.view.setUint16(offsetOf(sorted.length) + INDEX_BYTES * place, index, true);
  }
}

const offsetOf = (index: number): number => HEADER_BYTES + index * RECORD_BYTES;

function flagsOf({ waiting, unsent, partial, held, broken }: Client): number {
  return (
    (waiting ? WAITING_BIT : 0) |
    (unsent ? UNSENT_BIT : 0) |
    (partial ? PARTIAL_BIT : 0) |
    (held ? HELD_BIT : 0) |
    (broken ? BROKEN_BIT : 0)
  );
}

function decode(view: DataView, at: number): Client {
  const domid = view.getUint16(at + DOMID, true);
  const set = view.getUint16(at + FLAGS, true);
  if (domid > LAST_GUEST_DOMID || set >= FLAGS_END) throw new Error('the client table is damaged');
  return {
    domid,
    port: view.getUint32(at + PORT, true),
    ring: view.getUint32(at + RING, true),
    waiting: (set & WAITING_BIT) !== 0,
    unsent: (set & UNSENT_BIT) !== 0,
    partial: (set & PARTIAL_BIT) !== 0,
    held: (set & HELD_BIT) !== 0,
    broken: (set & BROKEN_BIT) !== 0,
  };
}
