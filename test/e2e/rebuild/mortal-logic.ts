/**
 * XenStore-Logic as it is, until a client writes its last words: then its process ends in the middle of that request, and so does every one that follows.
 * Process 1 gives up, Linux panics, and Xen has a domain that has crashed.
 */
import * as rt from 'ennead:rt';
import { handleEventsFromHere } from '../../../src/kit/rollback.ts';
import { startService } from '../../../src/kit/service.ts';
import { decodeBootClients } from '../../../src/services/xenstore-logic/boot-clients.ts';
import { inItsVm } from '../../../src/services/xenstore-logic/in-its-vm.ts';
import { serveLogic } from '../../../src/services/xenstore-logic/serve.ts';
import type { SharedRegion } from '../../../src/xen/ports.ts';
import { LAST_WORDS } from './plan.ts';

/** There from the first end on. */
const ENDED = '/ended';
/** Of what was read last: a request may come in two parts, where the ring begins again. */
const HEARD_MAX = 256;

let heard = '';

function endIfToldTo(bytes: Uint8Array): Uint8Array {
  heard = (heard + String.fromCharCode(...bytes)).slice(-HEARD_MAX);
  if (!heard.includes(LAST_WORDS)) return bytes;
  rt.writeFile(ENDED, new Uint8Array(0));
  return rt.exit(1);
}

const listening = (ring: SharedRegion): SharedRegion => ({
  size: ring.size,
  read: (offset, length) => endIfToldTo(ring.read(offset, length)),
  write: (offset, bytes) => ring.write(offset, bytes),
  load32: (offset) => ring.load32(offset),
  store32: (offset, value) => ring.store32(offset, value),
  close: () => ring.close(),
});

startService('xenstore-logic', ({ parameters, log }) => {
  if (rt.stat(ENDED) !== null) rt.exit(1);
  const own = inItsVm(log);
  const rings = { ...own.rings, at: (ring: number) => listening(own.rings.at(ring)) };
  serveLogic({ ...own, rings, handleEvents: handleEventsFromHere }, decodeBootClients(parameters.introduce));
});
