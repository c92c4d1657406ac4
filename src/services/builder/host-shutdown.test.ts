import { beforeEach, expect, it } from 'vitest';
import type { GuestBuilt } from '../../contracts/builder.ts';
import { contextOf } from '../../contracts/flask-contexts.ts';
import type { RpcPeer } from '../../kit/rpc.ts';
import { BLKBACK, guestSpec, NETBACK, PCIBACK, World } from './testing/world.ts';

let world: World;
let toolstack: RpcPeer;
beforeEach(async () => {
  world = new World();
  await world.boot();
  toolstack = await world.toolstack();
});

const asked = (domid: number) => world.node(`/local/domain/${domid}/control/shutdown`) === 'poweroff';

it('the answer comes first; then guests end, drivers are asked, and the machine waits for them', async () => {
  const { domid } = (await toolstack.call('guest.create', guestSpec())) as GuestBuilt;
  await toolstack.call('host.shutdown');
  expect(asked(BLKBACK)).toBe(false);
  await world.xen.clock.advance(1);
  expect(world.domids()).not.toContain(domid);
  expect([asked(BLKBACK), asked(NETBACK)]).toEqual([true, true]);
  expect(world.xen.domains.info(PCIBACK)).toMatchObject({ paused: false });

  world.xen.domains.shutdown(NETBACK, 'poweroff');
  await world.xen.settle();
  expect(world.powerOff).toBeNull();
  world.xen.domains.shutdown(BLKBACK, 'poweroff');
  await world.xen.settle();
  expect(world.domids()).not.toContain(BLKBACK);
  expect(world.powerOff).toEqual({ label: contextOf('pciback_t'), paused: false });
});

it('a driver VM that hangs does not keep the power on', async () => {
  await toolstack.call('host.shutdown');
  await world.xen.clock.advance(1);
  world.xen.domains.shutdown(BLKBACK, 'poweroff');
  await world.xen.clock.advance(29_000);
  expect(world.powerOff).toBeNull();
  await world.xen.clock.advance(2_000);
  expect(world.powerOff).not.toBeNull();
  expect(world.lines.join()).toContain(`still running after 30000 ms: ${NETBACK}`);
});

it('nothing is begun on a host that goes down', async () => {
  await toolstack.call('host.shutdown');
  await expect(toolstack.call('guest.create', guestSpec())).rejects.toMatchObject({ code: 'shutting-down' });
  await expect(toolstack.call('host.shutdown')).rejects.toMatchObject({ code: 'shutting-down' });
  expect(await toolstack.call('services.list')).toHaveProperty('services');
});
