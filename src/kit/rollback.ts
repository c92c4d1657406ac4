/**
 * For a service whose heap is rolled back after every handler: what outlives a handler is outside the heap and known by a number. A port or a
 * region that a handler opens stays open; the handler writes its number into the recovery box, or nobody knows it any more.
 */
import * as rt from 'ennead:rt';
import type { DomId, EventPort, GrantRef, SharedRegion } from '../xen/ports.ts';
import { sharedRegion } from '../xen/real/adapter.ts';

export const recoveryBox = {
  read: (): Uint8Array | null => rt.boxRead(),
  write: (bytes: Uint8Array): void => rt.boxWrite(bytes),
};

/** Those that were asked for in this handler. */
const regions = new Map<number, SharedRegion>();

export const numberedRegions = {
  map: (domid: DomId, ref: GrantRef): number => rt.grantMap(domid, [ref], true),
  at(number: number): SharedRegion {
    const known = regions.get(number);
    if (known) return known;
    const region = sharedRegion(number);
    regions.set(number, region);
    return region;
  },
  unmap(number: number): void {
    regions.delete(number);
    rt.regionClose(number);
  },
};

/** From the end of the running handler on, after every one. `onFailed` is a handler of its own, after one that failed and was rolled back. */
export function rollbackFromHere(onFailed: () => void): void {
  rt.onHandlerFailure(onFailed);
  rt.rollbackAfterEveryHandler();
}

/** One handler for all ports, those included that are opened later, with a rollback after each of its runs. */
export function handleEventsFromHere(handler: (port: EventPort) => void, onFailed: () => void): void {
  rt.onEvent(handler);
  rollbackFromHere(onFailed);
}

/** Ends this process; a fresh one follows. */
export const startAgain = (): never => rt.exit(1);
