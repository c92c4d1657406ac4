/** What the handler of one request gets and gives. It looks and decides; what it decides for is done after it. */
import type { ErrorName } from '../../wire/xenstore-message.ts';
import type { DomId } from '../../xen/ports.ts';
import type { Change } from './changes.ts';
import type { ShownLimits } from './limits.ts';
import type { StateClient } from './state-client.ts';

export interface Request {
  /** Whose rights it has, whose home its paths start in, who owns what it makes. */
  readonly domid: DomId;
  /** By what State knows the connection. */
  readonly connection: DomId;
  /** 0: none. */
  readonly transaction: number;
  /** Where it ends in the client's ring. */
  readonly at: number;
  readonly payload: Uint8Array;
  readonly state: StateClient;
  readonly domains: DomainRequests;
  readonly limits: ShownLimits;
}

/** What the requests of the control kind do to clients. */
export interface DomainRequests {
  /** Whether the domid names a domain to the asker, and not somebody else's connection. */
  knows(asker: DomId, domid: DomId): boolean;
  isIntroduced(domid: DomId): boolean;
  /** Those of the domids that belong to no domain: a permission that names one means nobody. */
  absent(named: readonly DomId[]): ReadonlySet<DomId>;
  /** EINVAL: the domain's ring or channel is not to be had. */
  introduce(domid: DomId, port: number): Change | 'EINVAL';
  release(domid: DomId): Change | 'ENOENT';
}

/** The answer's payload, the error's name, or the change from whose answer they come. */
export type Decision = Uint8Array | ErrorName | Change;
export type RequestHandler = (request: Request) => Decision;
