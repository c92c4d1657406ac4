import { handleEventsFromHere } from '../../kit/rollback.ts';
import { startService } from '../../kit/service.ts';
import { decodeBootClients } from './boot-clients.ts';
import { inItsVm } from './in-its-vm.ts';
import { serveLogic } from './serve.ts';

startService('xenstore-logic', ({ parameters, log }) => {
  const surroundings = { ...inItsVm(log), handleEvents: handleEventsFromHere };
  serveLogic(surroundings, decodeBootClients(parameters.introduce));
});
