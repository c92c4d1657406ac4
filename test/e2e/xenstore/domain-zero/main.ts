/** Domain 0: makes the clients, starts the server that it is told to, plays the programs to it and says what it heard. */
import * as rt from 'ennead:rt';
import { numberParameter } from '../../../../src/contracts/boot-parameters.ts';
import { BOOTSTRAPPER_DOMID, XENSTORE_LOGIC_DOMID } from '../../../../src/contracts/domids.ts';
import { startService } from '../../../../src/kit/service.ts';
import type { DomId, Log } from '../../../../src/xen/ports.ts';
import { startDaemon } from '../../../virtual-store/domain-zero/daemon.ts';
import { createServer, startServer } from '../../../virtual-store/domain-zero/ennead.ts';
import { DONE, encodeHeard } from '../heard.ts';
import { CLIENTS, OPERATOR, PRIVILEGED } from '../program.ts';
import { programsOf } from '../programs.ts';
import { Player } from './player.ts';
import { Relay } from './relay.ts';

startService('domain-zero', async ({ parameters, log }) => {
  // Programs are played in one go.
  rt.setHandlerLimit(0);
  const { relays, server } = await (parameters.server === 'ennead' ? withEnnead() : withXenstored(log));
  const player = new Player(relays, server);
  const programs = programsOf(numberParameter(parameters, 'seed'), numberParameter(parameters, 'programs'));
  for (const [index, program] of programs.entries())
    for (const line of encodeHeard(index, player.play(program))) log(line);
  log(DONE);
});

interface Stage {
  readonly relays: ReadonlyMap<DomId, Relay>;
  readonly server: DomId;
}

function startRelays(server: DomId, clients: readonly DomId[]): Map<DomId, Relay> {
  const relays = new Map(clients.map((domid) => [domid, Relay.start(domid, server)]));
  for (const relay of relays.values()) relay.awaitBoot();
  return relays;
}

async function withEnnead(): Promise<Stage> {
  createServer();
  const relays = startRelays(XENSTORE_LOGIC_DOMID, [...CLIENTS, OPERATOR]);
  startServer(new Map([[PRIVILEGED, relays.get(PRIVILEGED)!.storePort]]));
  return { relays, server: XENSTORE_LOGIC_DOMID };
}

async function withXenstored(log: Log): Promise<Stage> {
  const relays = startRelays(BOOTSTRAPPER_DOMID, CLIENTS);
  const store = await startDaemon(['xenstored', '--priv-domid', String(PRIVILEGED)], log);
  const { frame, storePort } = relays.get(PRIVILEGED)!;
  await store.introduce(PRIVILEGED, frame, storePort);
  return { relays, server: BOOTSTRAPPER_DOMID };
}
