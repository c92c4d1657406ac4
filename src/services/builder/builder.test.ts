import { beforeEach, describe, expect, it } from 'vitest';
import { contextOf } from '../../contracts/flask-contexts.ts';
import { PortError } from '../../xen/ports.ts';
import { BLKBACK, BOOTSTRAPPER, BUILDER, card, disk, NETBACK, PCIBACK, TOOLSTACK, World } from './testing/world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

describe('start', () => {
  it('domain 0 is destroyed', async () => {
    expect(world.domids()).toContain(BOOTSTRAPPER);
    await world.startBuilder();
    expect(world.domids()).not.toContain(BOOTSTRAPPER);
  });

  it('a domain 0 that Xen will not destroy is reported, and the boot goes on', async () => {
    world.xen.domains.destroy(BOOTSTRAPPER);
    await world.startBuilder();
    expect(world.lines.join()).toContain('domain 0 could not be destroyed');
    await world.report(card);
    expect(world.domids()).toContain(NETBACK);
  });

  it('PCIBack finds its home, and may write where its back ends are', async () => {
    await world.startBuilder();
    const pciback = world.xen.domain(PCIBACK).xenstore;
    expect(await pciback.read('domid')).toBe('1');
    await pciback.write('backend/pci/6/0/state', '1');
    await expect(pciback.write('/local/domain/4/name', 'mine')).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('a process that starts again builds nothing twice and forgets no VM', async () => {
    await world.boot();
    const before = world.domids();
    const toolstack = await world.toolstack();
    await world.startBuilder();
    expect(world.domids()).toEqual(before);
    const { records } = (await (await world.toolstack()).call('trust.list')) as { records: { name: string }[] };
    expect(records.map(({ name }) => name)).toEqual([
      'pciback',
      'xenstore-state',
      'xenstore-logic',
      'builder',
      'toolstack',
      'netback',
      'blkback',
    ]);
    toolstack.close();
  });
});

describe('driver VMs', () => {
  it('each controller gets one: its own label, behind the IOMMU, introduced and running', async () => {
    await world.startBuilder();
    await world.report(disk, card);
    for (const [domid, label, bdf] of [
      [NETBACK, 'netback_t', card.bdf],
      [BLKBACK, 'blkback_t', disk.bdf],
    ] as const) {
      expect(world.specs.get(domid)).toMatchObject({ context: contextOf(label), iommu: true, vcpus: 1 });
      expect(world.hands).toContainEqual({ bdf, domid, isolated: true });
      expect(world.xen.domains.info(domid)).toMatchObject({ paused: false });
      expect(world.xen.xenstore.introduced.get(domid)?.port).toBe(world.builds.get(domid)?.store.port);
    }
  });

  it('start only when all that they shall find in their homes is there: Linux does not see what comes later', async () => {
    await world.startBuilder();
    const seen: (string | undefined)[] = [];
    world.onBuild = ({ domid }) => {
      if (domid === NETBACK) seen.push(world.node(`/local/domain/${NETBACK}/backend/vif/${TOOLSTACK}/0/state`));
    };
    await world.report(disk, card);
    expect(seen).toEqual(['1']);
  });

  it('without an IOMMU they are built as well, and nobody says that they are isolated', async () => {
    world.iommu = false;
    await world.startBuilder();
    await world.report(card);
    expect(world.specs.get(NETBACK)?.iommu).toBe(false);
    expect(world.hands).toEqual([{ bdf: card.bdf, domid: NETBACK, isolated: false }]);
    const { drivers } = (await (await world.toolstack()).call('drivers.list')) as { drivers: object[] };
    expect(drivers).toEqual([
      { domid: NETBACK, kind: 'network', bdf: card.bdf, isolated: false, ready: false, failure: null },
    ]);
  });

  it('the PCI front end is complete before the hand-over, and PCIBack may read it', async () => {
    await world.startBuilder();
    const pciback = world.xen.domain(PCIBACK).xenstore;
    const seen: (string | null)[] = [];
    world.onHand = ({ domid }) =>
      void pciback.read(`/local/domain/${domid}/device/pci/0/state`).then((v) => seen.push(v));
    await world.report(card);
    expect(seen).toEqual(['1']);
    const front = await world.xen.xenstore.connect(NETBACK).read('device/pci/0/backend');
    expect(front).toBe(`/local/domain/1/backend/pci/${NETBACK}/0`);
  });

  it('a hand-over that is refused ends that VM, gives the device back, and spares the others', async () => {
    world.onHand = ({ bdf }) => {
      if (bdf === disk.bdf) throw new PortError('EBUSY', 'pciAssign', bdf);
    };
    await world.startBuilder();
    await world.report(disk, card);
    await world.say(NETBACK, 'ready');
    expect(world.domids()).toContain(NETBACK);
    expect(world.domids()).toContain(TOOLSTACK);
    expect(world.domids()).not.toContain(BLKBACK);
    expect(world.returns).toEqual([{ bdf: disk.bdf, domid: BLKBACK, isolated: true }]);
    const { drivers } = (await (await world.toolstack()).call('drivers.list')) as { drivers: { failure: string }[] };
    expect(drivers.map(({ failure }) => failure === null)).toEqual([true, false]);
  });

  it('a PCIBack process that starts again makes nobody build twice', async () => {
    await world.startBuilder();
    await world.report(disk, card);
    const before = world.domids();
    world.pciback.close();
    await world.report(disk, card);
    expect(world.domids()).toEqual(before);
    expect(world.hands).toHaveLength(2);
  });

  it('a Builder process that starts again in the middle builds what is missing', async () => {
    world.onBuild = ({ domid }) => {
      if (domid === TOOLSTACK) throw new PortError('ENOMEM', 'domainBuildPv', 'toolstack');
    };
    await world.startBuilder();
    await world.report(card);
    expect(world.domids()).toContain(NETBACK);
    expect(world.domids()).not.toContain(TOOLSTACK);
    world.onBuild = () => {};
    await world.startBuilder();
    expect(world.domids()).toContain(TOOLSTACK);
    expect(world.xen.domains.info(PCIBACK)).toMatchObject({ paused: false });
    await world.say(NETBACK, 'ready');
    expect(world.xen.domains.info(PCIBACK)).toMatchObject({ paused: true });
  });

  it('unreasonable controllers are refused', async () => {
    await world.startBuilder();
    await world.report({ ...card, bdf: '../../etc' });
    expect(world.hands).toEqual([]);
    expect(world.lines.join()).toContain('controllers of pciback');
  });
});

describe('PCIBack', () => {
  const retired = () =>
    world.xen.domains.contextOf(PCIBACK) === contextOf('pciback_retired_t') && world.xen.domains.info(PCIBACK)?.paused;

  it('keeps its rights until the last driver VM is ready, and not longer', async () => {
    await world.startBuilder();
    await world.report(disk, card);
    await world.say(NETBACK, 'ready');
    expect(retired()).toBe(false);
    await world.say(BLKBACK, 'ready');
    expect(retired()).toBe(true);
  });

  it('loses them also when a driver VM says that it cannot work', async () => {
    await world.startBuilder();
    await world.report(disk, card);
    await world.say(NETBACK, 'ready');
    await world.say(BLKBACK, 'failed:no disk');
    expect(retired()).toBe(true);
  });

  it('loses them also when a driver VM never answers', async () => {
    await world.startBuilder();
    await world.report(card);
    await world.xen.clock.advance(179_000);
    expect(retired()).toBe(false);
    await world.xen.clock.advance(2_000);
    expect(retired()).toBe(true);
  });
});

describe('Toolstack', () => {
  it('is built with a network card at the first NetBack, both ends complete', async () => {
    await world.startBuilder({ 'toolstack-ip': '192.0.2.5:192.0.2.1:255.255.255.0' });
    await world.report(disk, card);
    const front = world.nodes(`/local/domain/${TOOLSTACK}/device/vif/0`);
    const back = world.nodes(`/local/domain/${NETBACK}/backend/vif/${TOOLSTACK}/0`);
    const at = (path: string) => `/local/domain/${path}`;
    expect(front[at(`${TOOLSTACK}/device/vif/0/backend`)]).toBe(at(`${NETBACK}/backend/vif/${TOOLSTACK}/0`));
    expect(back[at(`${NETBACK}/backend/vif/${TOOLSTACK}/0/frontend`)]).toBe(at(`${TOOLSTACK}/device/vif/0`));
    expect(front[at(`${TOOLSTACK}/device/vif/0/mac`)]).toBe('00:16:3e:00:00:05');
    expect(back[at(`${NETBACK}/backend/vif/${TOOLSTACK}/0/mac`)]).toBe('00:16:3e:00:00:05');
    expect(world.builds.get(TOOLSTACK)?.cmdline).toContain('ip=192.0.2.5::192.0.2.1:255.255.255.0:toolstack:eth0:off');
  });

  it('gets the configuration of the host', async () => {
    await world.startBuilder();
    await world.report(card);
    expect(world.builds.get(TOOLSTACK)?.ramdiskPaths).toEqual([
      '/images/base.cpio',
      '/init',
      '/images/toolstack.cpio',
      '/images/host-config.cpio',
    ]);
  });

  it('is built on a host without a network, too, and does not wait for a card', async () => {
    await world.startBuilder();
    await world.report(disk);
    expect(world.xen.domains.info(TOOLSTACK)).toMatchObject({ paused: false });
    expect(world.builds.get(TOOLSTACK)?.cmdline).not.toContain('ip=');
    expect(world.nodes(`/local/domain/${TOOLSTACK}/device/vif`)).toEqual({});
  });

  it('may use the driver VMs, and reads the published trust list; a driver VM may not', async () => {
    await world.boot();
    const path = `/ennead/trust/${TOOLSTACK}`;
    const own = await world.xen.domain(TOOLSTACK).xenstore.read(path);
    expect(JSON.parse(own ?? '')).toMatchObject({ name: 'toolstack', services: [3, BUILDER, NETBACK, BLKBACK] });
    await expect(world.xen.xenstore.connect(NETBACK).read(path)).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('makes back ends in a driver VM, which the driver can serve', async () => {
    await world.boot();
    const toolstack = world.xen.domain(TOOLSTACK).xenstore;
    const node = `/local/domain/${NETBACK}/backend/vif/16/0/state`;
    await toolstack.write(node, '1');
    await world.xen.xenstore.connect(NETBACK).write(node, '2');
    expect(world.node(node)).toBe('2');
    const request = `/local/domain/${BLKBACK}/ennead/volume/request/1`;
    await toolstack.write(request, '{}');
    expect(await world.xen.xenstore.connect(BLKBACK).read(request)).toBe('{}');
  });
});
