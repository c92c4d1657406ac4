/** The protocol's request types and who answers them. */
import { messageTypes } from '../../wire/xenstore-message.ts';
import { control } from './control-requests.ts';
import * as nodes from './node-requests.ts';
import * as others from './other-requests.ts';
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
}

const refused = (handle: RequestHandler): RequestType => ({ handle, withoutTransaction: 'refused' });
const looking = (handle: RequestHandler): RequestType => ({ handle, withoutTransaction: 'finds-out' });
const outside = (handle: RequestHandler): RequestType => ({ handle, withoutTransaction: 'ignored' });

export const requestTypes: ReadonlyMap<number, RequestType> = new Map([
  [messageTypes.control, refused(control)],
  [messageTypes.directory, looking(nodes.directory)],
  [messageTypes.read, looking(nodes.read)],
  [messageTypes.getPerms, looking(nodes.getPermissions)],
  [messageTypes.watch, outside(others.watch)],
  [messageTypes.unwatch, outside(others.unwatch)],
  [messageTypes.transactionStart, refused(others.transactionStart)],
  [messageTypes.transactionEnd, looking(others.transactionEnd)],
  [messageTypes.introduce, refused(others.introduce)],
  [messageTypes.release, refused(others.release)],
  [messageTypes.getDomainPath, refused(others.getDomainPath)],
  [messageTypes.write, looking(nodes.write)],
  [messageTypes.mkdir, looking(nodes.mkdir)],
  [messageTypes.rm, looking(nodes.remove)],
  [messageTypes.setPerms, looking(nodes.setPermissions)],
  [messageTypes.isDomainIntroduced, refused(others.isDomainIntroduced)],
  [messageTypes.resume, refused(others.resume)],
  [messageTypes.setTarget, refused(others.setTarget)],
  [messageTypes.resetWatches, refused(others.resetWatches)],
  [messageTypes.directoryPart, looking(nodes.directoryPart)],
]);
