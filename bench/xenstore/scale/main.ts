/**
 * How XenStore grows. Arguments: `domains` or `nodes`, and how many; `full`, and of what (full.ts). State and Logic in one program on ennead-rt, without Xen, with as many clients and nodes as are wanted. Ratios between the
 * rows are what counts: there is no crossing between VMs here, and no rollback.
 */
import * as rt from 'ennead:rt';
import { BUILDER_DOMID, FIRST_GUEST_DOMID } from '../../../src/contracts/domids.ts';
import { guestLimits } from '../../../src/contracts/xenstore-limits.ts';
import { homeOf } from '../../../src/contracts/xenstore-paths.ts';
import {
  decodeText,
  encodePacket,
  encodeStrings,
  encodeText,
  messageTypes,
  parsePacket,
} from '../../../src/wire/xenstore-message.ts';
import type { DomId, EventPort, SharedRegion } from '../../../src/xen/ports.ts';
import { DirectStore } from '../../../test/fuzz/direct-store.ts';
import { put, take } from '../../../test/fuzz/ring-client.ts';
import { measureFull } from './full.ts';

/** Of each domain: about what Linux's front and back ends of a disk and a network card take. */
const NODES_OF_DOMAIN = 20;
const WATCHES_OF_DOMAIN = 5;
/** Room for what is measured. */
const STATE_MIB = 256;
const REQUESTS = 2000;
const VALUE = encodeText('connected');
const MIB = 1024 * 1024;
/** Of all guests together: more than any row has. */
const limits = { ...guestLimits, 'total-memory': 0xffff_ffff };

class Client {
  constructor(
    private readonly store: DirectStore,
    readonly domid: DomId,
    private readonly page: SharedRegion,
    readonly port: EventPort,
  ) {}

  ask(type: keyof typeof messageTypes, strings: readonly string[], tail?: Uint8Array): string {
    const end = { page: this.page, notify: () => this.store.notify(this.port) };
    const payload = encodeStrings(strings, tail);
    put(end, encodePacket({ type: messageTypes[type], requestId: 0, transactionId: 0, payload }));
    this.store.run(() => undefined);
    const parsed = parsePacket(take(end));
    if (parsed.is !== 'packet' || parsed.packet.type === messageTypes.error)
      throw new Error(`domain ${this.domid}: ${type} ${strings.join(' ')}: ${JSON.stringify(parsed)}`);
    return decodeText(parsed.packet.payload);
  }
}

function builderOf(store: DirectStore): Client {
  return new Client(store, BUILDER_DOMID, store.pageOf(BUILDER_DOMID), store.builderPort);
}

const nodeOf = (domid: DomId, number: number): string => `${homeOf(domid)}/device/vif/${number}`;

function addClient(store: DirectStore, builder: Client, domid: DomId): Client {
  const client = new Client(store, domid, store.makePage(domid), store.openPort());
  builder.ask('mkdir', [homeOf(domid)]);
  builder.ask('setPerms', [homeOf(domid), `n${domid}`]);
  builder.ask('introduce', [String(domid), '0', String(client.port)]);
  for (let number = 0; number < NODES_OF_DOMAIN; number += 1) client.ask('write', [nodeOf(domid, number)], VALUE);
  for (let number = 0; number < WATCHES_OF_DOMAIN; number += 1) client.ask('watch', [nodeOf(domid, number), 'token']);
  return client;
}

/** Microseconds of one of many. */
function timed(count: number, once: (number: number) => void): number {
  const startMs = rt.monotonicMs();
  for (let number = 0; number < count; number += 1) once(number);
  return ((rt.monotonicMs() - startMs) * 1000) / count;
}

function measureDomains(count: number): void {
  const store = new DirectStore({ memoryMib: STATE_MIB, limits });
  const builder = builderOf(store);
  const before = rt.heapStats().usedBytes;
  const clients: Client[] = [];
  const added = timed(count, (number) => clients.push(addClient(store, builder, FIRST_GUEST_DOMID + number)));
  const heap = rt.heapStats().usedBytes - before;
  const some = (number: number): Client => clients[(number * 7) % count]!;
  const unwatched = WATCHES_OF_DOMAIN;
  const read = timed(REQUESTS, (number) => some(number).ask('read', [nodeOf(some(number).domid, unwatched)]));
  const write = timed(REQUESTS, (number) => some(number).ask('write', [nodeOf(some(number).domid, unwatched)], VALUE));
  rt.log(
    `domains ${count} read ${read.toFixed(0)} us write ${write.toFixed(0)} us added ${(added / 1000).toFixed(2)} ms ` +
      `heap ${(heap / MIB).toFixed(1)} MiB`,
  );
}

function measureNodes(count: number): void {
  const store = new DirectStore({ memoryMib: STATE_MIB });
  const builder = builderOf(store);
  const before = rt.heapStats().usedBytes;
  const path = (number: number): string => `/local/domain/${number % 1000}/device/${number}`;
  const write = timed(count, (number) => builder.ask('write', [path(number)], VALUE));
  const heap = rt.heapStats().usedBytes - before;
  const read = timed(REQUESTS, (number) => builder.ask('read', [path((number * 7919) % count)]));
  rt.log(
    `nodes ${count} made ${write.toFixed(0)} us read ${read.toFixed(0)} us heap ${(heap / MIB).toFixed(1)} MiB ` +
      `${(heap / count).toFixed(0)} bytes each, snapshot ${(store.snapshotBytes / MIB).toFixed(1)} MiB`,
  );
}

const [what, which = ''] = rt.args;
if (what === 'domains') measureDomains(Number(which));
else if (what === 'nodes') measureNodes(Number(which));
else measureFull(which);
