/**
 * The folder that stands for the hypervisor where there is none: granted pages are files, and an event is its port's number in the pipe of
 * whoever owns the port. Used on both sides: by the starter, which makes the folder, and by the programs that live in it.
 */
import { BUILDER_DOMID } from '../contracts/domids.ts';
import type { DomId, EventPort, GrantRef } from '../xen/ports.ts';

/** Each program reads a pipe of its own. Logic has a second one for State, on which it waits while its clients' events queue in the first. */
export const inboxes = { state: 1, logic: 2, logicToState: 3, sockets: 4 } as const;
export type Inbox = (typeof inboxes)[keyof typeof inboxes];

/** Of one inbox. All their events together fit in a pipe, which holds 64 KiB. */
export const PORTS_MAX = 4096;
/** What a port's record holds: the port at the other end, FREE or UNBOUND, and whether an event is in the pipe. */
export const PORT_RECORD_BYTES = 8;
export const PENDING = 4;
export const FREE = 0;
export const UNBOUND = 1;
export const EVENT_BYTES = 4;

/** A port's number says whose it is. */
export const portNumber = (inbox: Inbox, index: number): EventPort => inbox * PORTS_MAX + index;
export const inboxOf = (port: EventPort): number => Math.floor(port / PORTS_MAX);
export const recordOffset = (port: EventPort): number => (port % PORTS_MAX) * PORT_RECORD_BYTES;

export const portsFile = (inbox: Inbox): string => `ports-${inbox}`;
export const PORTS_FILE_BYTES = PORTS_MAX * PORT_RECORD_BYTES;
export const eventPipe = (inbox: Inbox): string => `events-${inbox}`;
/** Pages that `domid` granted, in order, from `ref` on. */
export const pagesFile = (domid: DomId, ref: GrantRef): string => `pages-${domid}-${ref}`;

/** Who introduces all other connections has to be there before Logic: its channel is opened by the starter. */
export const introducer = { domid: BUILDER_DOMID, port: portNumber(inboxes.sockets, 1) } as const;
