/** From fired watches to messages: who may know, and which path they are told. */
import type { Fired } from '../../contracts/xenstore-state.ts';
import { encodePacket, messageTypes, PAYLOAD_BYTES_MAX } from '../../wire/xenstore-message.ts';
import type { DomId } from '../../xen/ports.ts';
import { isAllowed } from './access.ts';
import { toldPath } from './paths.ts';
import type { LogicPorts } from './ports.ts';

export interface WatchEvent {
  readonly to: DomId;
  readonly path: string;
  readonly token: string;
}

export function watchEvents({ path, readableBy, watchers }: Fired, actsAs: LogicPorts['actsAs']): WatchEvent[] {
  return watchers
    .map(({ domid: to, ...watcher }) => ({ ...watcher, to, domid: actsAs(to) }))
    .filter((watcher) => readableBy.some((permissions) => isAllowed(watcher.domid, watcher, path, permissions, 'read')))
    .map(({ to, domid, relative, token }) => ({ to, path: toldPath(domid, relative, path), token }));
}

/** `told`: a path and a token. Empty for such as no message can hold. */
export function eventMessage(told: Uint8Array): Uint8Array {
  if (told.length > PAYLOAD_BYTES_MAX) return new Uint8Array(0);
  return encodePacket({ type: messageTypes.watchEvent, requestId: 0, transactionId: 0, payload: told });
}
