import { expect, test } from 'vitest';
import { stateNode } from '../../contracts/builder.ts';
import { BUILDER_DOMID } from '../../contracts/domids.ts';
import { NETWORK, STORAGE } from './testing/fake-back-ends.ts';
import { SimulatedHost } from './testing/simulated-host.ts';

test('driversSettled() waits until every driver VM serves or has failed', async () => {
  const host = new SimulatedHost();
  const toolstack = await host.toolstack();
  const builder = host.xen.domain(BUILDER_DOMID).xenstore;
  let settled = false;
  const waiting = toolstack.driversSettled().then(() => {
    settled = true;
  });
  await builder.write(stateNode(STORAGE), 'starting');
  await builder.write(stateNode(NETWORK), 'failed:no network card');
  await host.pass(1_000);
  expect(settled).toBe(false);
  await builder.write(stateNode(STORAGE), 'ready');
  await host.during(waiting);
  expect(host.log).toEqual([]);
});

test('a volume can be attached to Toolstack itself again and again, at the same place', async () => {
  const host = new SimulatedHost();
  host.backEnds.volumes.set('root', new Uint8Array(4096));
  const { ownDisks } = await host.toolstack();
  const bytes = () => host.during(ownDisks.with(STORAGE, 'root', 'r', async (disk) => disk.bytes));
  expect([await bytes(), await bytes(), await bytes()]).toEqual([4096, 4096, 4096]);
});
