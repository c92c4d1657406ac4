import { numberParameter } from '../../contracts/boot-parameters.ts';
import { BUILDER_DOMID } from '../../contracts/domids.ts';
import { serviceCatalogue } from '../../contracts/service-catalogue.ts';
import { contentsPages } from '../../contracts/xenstore-contents.ts';
import { fileBox } from '../../kit/file-box.ts';
import { startService } from '../../kit/service.ts';
import { DOMID_SELF } from '../../xen/ports.ts';
import { clock, eventChannels, foreignMemory, grants } from '../../xen/real/adapter.ts';
import { serveState } from './serve.ts';

startService('xenstore-state', ({ parameters, log }) => {
  const page = foreignMemory.map(DOMID_SELF, [numberParameter(parameters, 'store-page')], true);
  serveState({
    page,
    grants,
    contentsPages: contentsPages(serviceCatalogue['xenstore-state'].memoryMib),
    eventChannels,
    box: fileBox(''),
    clock,
    rootOwner: BUILDER_DOMID,
    log,
  });
});
