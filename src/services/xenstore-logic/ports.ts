/**
 * What Logic's handlers work with. Nothing here is an object that lives from one handler to the next: rings and ports are numbers, because
 * the heap is rolled back after every handler while what the numbers stand for stays.
 */
import type { DomainInfo, DomId, EventChannels, Log, SharedRegion } from '../../xen/ports.ts';
import type { StateLink } from './state-client.ts';

/** The domain builder grants every client's ring page to this VM under this reference. */
export const STORE_GRANT = 1;

export interface RecoveryBox {
  read(): Uint8Array | null;
  write(bytes: Uint8Array): void;
}

export interface Rings {
  /** Maps the ring page (grant 1) of a domain; the number by which it is known. */
  map(domid: number): number;
  at(ring: number): SharedRegion;
  unmap(ring: number): void;
}

export interface LogicPorts {
  readonly box: RecoveryBox;
  readonly rings: Rings;
  readonly eventChannels: Pick<EventChannels, 'bindInterdomain' | 'unbind' | 'notify'>;
  readonly state: StateLink;
  /** What State shows: see src/contracts/xenstore-contents.ts. */
  readonly contents: SharedRegion;
  /** What State keeps for whoever starts after Logic: see journal.ts. */
  readonly journal: SharedRegion;
  /** Whose rights and home a connection has: its own domain's, but where all who may open a socket are domain 0. */
  actsAs(connection: DomId): DomId;
  domains(): readonly Pick<DomainInfo, 'domid' | 'dying' | 'shutdown'>[];
  /** Makes one more handler run, for work that waits. */
  wake(): void;
  /** Ends this process; a fresh one follows. */
  startAgain(): never;
  readonly log: Log;
}
