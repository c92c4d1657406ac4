/** What the handler of one request gets and gives. */
import type { Fired } from '../../contracts/xenstore-state.ts';
import type { ErrorName } from '../../wire/xenstore-message.ts';
import type { DomId } from '../../xen/ports.ts';
import type { StateClient } from './state-client.ts';

export interface Request {
  /** Whose rights it has, whose home its paths start in, who owns what it makes. */
  readonly domid: DomId;
  /** By what State knows the connection. */
  readonly connection: DomId;
  /** 0: none. */
  readonly transaction: number;
  readonly payload: Uint8Array;
  readonly state: StateClient;
  /** Tells those who watch, before the answer goes out. */
  fire(firing: Firing): void;
  /** A watch event for the client itself, after the answer. */
  sendEvent(path: string, token: string): void;
  readonly domains: DomainRequests;
}

export interface Firing {
  readonly fired: readonly Fired[];
  readonly more: boolean;
}

/** What the requests of the control kind do to clients. */
export interface DomainRequests {
  isIntroduced(domid: DomId): boolean;
  /** false: the domain's ring or channel is not to be had. */
  introduce(domid: DomId, port: number): boolean;
  /** false: not introduced. */
  release(domid: DomId): boolean;
  /** false: not introduced. */
  resume(domid: DomId): boolean;
}

/** The answer's payload, or the error's name. */
export type RequestHandler = (request: Request) => Uint8Array | ErrorName;
