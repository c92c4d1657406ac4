/** XenStore-Logic as its own main.ts starts it, but for one thing: its heap is never rolled back. */
import * as rt from 'ennead:rt';
import { startService } from '../../../src/kit/service.ts';
import { decodeBootClients } from '../../../src/services/xenstore-logic/boot-clients.ts';
import { inItsVm } from '../../../src/services/xenstore-logic/in-its-vm.ts';
import { serveLogic } from '../../../src/services/xenstore-logic/serve.ts';

startService('xenstore-logic', ({ parameters, log }) => {
  // A handler that fails ends the process: there is nothing to roll back to.
  const handleEvents = (handler: (port: number) => void): void => rt.onEvent(handler);
  serveLogic({ ...inItsVm(log), handleEvents }, decodeBootClients(parameters.introduce));
});
