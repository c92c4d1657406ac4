/**
 * XenStore-Logic as it is, until a client says its last words: then its process ends in the middle of that request, and so does every one that follows.
 * Process 1 gives up, Linux panics, and Xen has a domain that has crashed. The next one meets that request as a young VM, and answers it.
 */
import * as rt from 'ennead:rt';
import { BUILDER_DOMID } from '../../../src/contracts/domids.ts';
import { handleEventsFromHere } from '../../../src/kit/rollback.ts';
import { startService } from '../../../src/kit/service.ts';
import { decodeBootClients } from '../../../src/services/xenstore-logic/boot-clients.ts';
import { inItsVm } from '../../../src/services/xenstore-logic/in-its-vm.ts';
import type { Rings } from '../../../src/services/xenstore-logic/ports.ts';
import { serveLogic } from '../../../src/services/xenstore-logic/serve.ts';
import type { SharedRegion } from '../../../src/xen/ports.ts';
import { BUILDERS_LAST_WORDS, LAST_WORDS } from './plan.ts';

/** There from the first end on. */
const ENDED = '/ended';
/** Of what was read last: a request may come in two parts, where the ring begins again. */
const HEARD_MAX = 256;

/** Since the start of its Linux. */
const YOUNG_MS = 8000;

let heard = '';

function endIfToldTo(lastWords: string, bytes: Uint8Array): Uint8Array {
  heard = (heard + String.fromCharCode(...bytes)).slice(-HEARD_MAX);
  if (!heard.includes(lastWords) || rt.monotonicMs() < YOUNG_MS) return bytes;
  rt.writeFile(ENDED, new Uint8Array(0));
  return rt.exit(1);
}

const listening = (ring: SharedRegion, lastWords: string): SharedRegion => ({
  size: ring.size,
  read: (offset, length) => endIfToldTo(lastWords, ring.read(offset, length)),
  write: (offset, bytes) => ring.write(offset, bytes),
  load32: (offset) => ring.load32(offset),
  store32: (offset, value) => ring.store32(offset, value),
  close: () => ring.close(),
});

/** Mapped while Logic starts, so it is still known after a rollback. */
let buildersRing: number | null = null;

function listeningRings(rings: Rings): Rings {
  return {
    map(domid) {
      const ring = rings.map(domid);
      if (domid === BUILDER_DOMID) buildersRing = ring;
      return ring;
    },
    at: (ring) => listening(rings.at(ring), ring === buildersRing ? BUILDERS_LAST_WORDS : LAST_WORDS),
    unmap: (ring) => rings.unmap(ring),
  };
}

startService('xenstore-logic', ({ parameters, log }) => {
  if (rt.stat(ENDED) !== null) rt.exit(1);
  const own = inItsVm(log);
  const surroundings = { ...own, rings: listeningRings(own.rings), handleEvents: handleEventsFromHere };
  serveLogic(surroundings, decodeBootClients(parameters.introduce));
});
