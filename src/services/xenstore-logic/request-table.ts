/** The protocol's request types and who answers them. */
import { messageTypes } from '../../wire/xenstore-message.ts';
import type { DomId } from '../../xen/ports.ts';
import { control } from './control-requests.ts';
import * as nodes from './node-requests.ts';
import * as others from './other-requests.ts';
import { isTrusted, mayControl } from './privileges.ts';
import type { RequestHandler } from './request.ts';

/** What becomes of a request that names a transaction which is not known. */
export type WithoutTransaction =
  /** It is refused, whatever else is wrong with it. */
  | 'refused'
  /** It is refused by State, which looks at the node in the transaction, or ends it. */
  | 'finds-out'
  /** It is answered all the same. @source tools/xenstore/xenstored_core.c, XS_FLAG_NOTID */
  | 'ignored';

export interface RequestType {
  readonly handle: RequestHandler;
  readonly withoutTransaction: WithoutTransaction;
  /** Everybody, if it is not there. Who may not is told only that. */
  readonly mayAsk?: (domid: DomId) => boolean;
}

const refused = (handle: RequestHandler): RequestType => ({ handle, withoutTransaction: 'refused' });
const looking = (handle: RequestHandler): RequestType => ({ handle, withoutTransaction: 'finds-out' });
const refusedBut = (mayAsk: (domid: DomId) => boolean, handle: RequestHandler): RequestType => ({
  ...refused(handle),
  mayAsk,
});
const outside = (handle: RequestHandler): RequestType => ({ handle, withoutTransaction: 'ignored' });

export const requestTypes: ReadonlyMap<number, RequestType> = new Map([
  [messageTypes.control, refusedBut(isTrusted, control)],
  [messageTypes.directory, looking(nodes.directory)],
  [messageTypes.read, looking(nodes.read)],
  [messageTypes.getPerms, looking(nodes.getPermissions)],
  [messageTypes.watch, outside(others.watch)],
  [messageTypes.unwatch, outside(others.unwatch)],
  [messageTypes.transactionStart, refused(others.transactionStart)],
  [messageTypes.transactionEnd, looking(others.transactionEnd)],
  [messageTypes.introduce, refusedBut(mayControl, others.introduce)],
  [messageTypes.release, refusedBut(mayControl, others.release)],
  [messageTypes.getDomainPath, refused(others.getDomainPath)],
  [messageTypes.write, looking(nodes.write)],
  [messageTypes.mkdir, looking(nodes.mkdir)],
  [messageTypes.rm, looking(nodes.remove)],
  [messageTypes.setPerms, looking(nodes.setPermissions)],
  [messageTypes.isDomainIntroduced, refusedBut(mayControl, others.isDomainIntroduced)],
  [messageTypes.resume, refusedBut(mayControl, others.resume)],
  [messageTypes.setTarget, refusedBut(mayControl, others.setTarget)],
  [messageTypes.resetWatches, refused(others.resetWatches)],
  [messageTypes.directoryPart, looking(nodes.directoryPart)],
]);
