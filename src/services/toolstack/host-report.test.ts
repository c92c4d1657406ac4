import { expect, test } from 'vitest';
import { attachedNode } from '../../contracts/builder.ts';
import { MemoryXen } from '../../xen/memory/memory-xen.ts';
import { attachedDevices } from './host-report.ts';

test('what the driver VMs say is added up by kind; silence and nonsense count nothing', async () => {
  const { xenstore } = new MemoryXen().add(5);
  const said = { 6: '3', 7: '2', 8: '4', 9: '-1 or so' };
  for (const [domid, count] of Object.entries(said)) await xenstore.write(attachedNode(Number(domid)), count);
  const drivers = [6, 7, 8, 9, 10].map((domid) => ({
    domid,
    kind: domid % 2 === 0 ? ('network' as const) : ('storage' as const),
    ready: true,
  }));
  expect(await attachedDevices(xenstore, drivers)).toEqual({ bridge_ports: 7, loop_devices: 2 });
});
