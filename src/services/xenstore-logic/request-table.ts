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

/** Requests whose first act is to look at a node, in their transaction. */
export const looksAtNodes: ReadonlySet<number> = new Set([
  messageTypes.directory,
  messageTypes.directoryPart,
  messageTypes.read,
  messageTypes.getPerms,
  messageTypes.setPerms,
  messageTypes.write,
  messageTypes.mkdir,
  messageTypes.rm,
]);

/** Whatever transaction such a request names, known or not. @source tools/xenstore/xenstored_core.c, XS_FLAG_NOTID */
export const ignoresTransaction: ReadonlySet<number> = new Set([messageTypes.watch, messageTypes.unwatch]);
