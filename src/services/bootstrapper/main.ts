import { startService } from '../../kit/service.ts';
import { domainControl, files, hostInfo, power } from '../../xen/real/adapter.ts';
import { bootstrap } from './bootstrap.ts';

startService('bootstrapper', ({ parameters, log }) => {
  try {
    bootstrap({ domains: domainControl, host: hostInfo, files, log }, parameters);
  } catch (error) {
    // A second attempt would meet the first one's domains. Until PCIBack exists this ends the machine, too.
    log(`failed: ${String(error)}`);
    power.off();
  }
});
