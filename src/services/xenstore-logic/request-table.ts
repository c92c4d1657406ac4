/** The protocol's request types and who answers them. */
import { messageTypes } from '../../wire/xenstore-message.ts';
import { control } from './control-requests.ts';
import * as nodes from './node-requests.ts';
import * as others from './other-requests.ts';
import type { RequestHandler } from './request.ts';

export const requestHandlers: ReadonlyMap<number, RequestHandler> = new Map([
  [messageTypes.control, control],
  [messageTypes.directory, nodes.directory],
  [messageTypes.read, nodes.read],
  [messageTypes.getPerms, nodes.getPermissions],
  [messageTypes.watch, others.watch],
  [messageTypes.unwatch, others.unwatch],
  [messageTypes.transactionStart, others.transactionStart],
  [messageTypes.transactionEnd, others.transactionEnd],
  [messageTypes.introduce, others.introduce],
  [messageTypes.release, others.release],
  [messageTypes.getDomainPath, others.getDomainPath],
  [messageTypes.write, nodes.write],
  [messageTypes.mkdir, nodes.mkdir],
  [messageTypes.rm, nodes.remove],
  [messageTypes.setPerms, nodes.setPermissions],
  [messageTypes.isDomainIntroduced, others.isDomainIntroduced],
  [messageTypes.resume, others.resume],
  [messageTypes.setTarget, others.setTarget],
  [messageTypes.resetWatches, others.resetWatches],
  [messageTypes.directoryPart, nodes.directoryPart],
]);
