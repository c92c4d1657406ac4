import { beforeEach, describe, expect, it } from 'vitest';
import type { GuestBuilt, TrustRecord } from '../../contracts/builder.ts';
import { FIRST_GUEST_DOMID, LAST_GUEST_DOMID } from '../../contracts/domids.ts';
import { contextOf } from '../../contracts/flask-contexts.ts';
import type { RpcPeer } from '../../kit/rpc.ts';
import { countStart } from '../../kit/starts.ts';
import { ACPI_ADDRESS, acpiTables } from '../../wire/acpi.ts';
import { PortError } from '../../xen/ports.ts';
import { GuestDomids } from './domids.ts';
import { BLKBACK, BUILDER, guestSpec, LOGIC, NETBACK, PCIBACK, TOOLSTACK, World } from './testing/world.ts';

let world: World;
let toolstack: RpcPeer;
beforeEach(async () => {
  world = new World();
  await world.boot();
  toolstack = await world.toolstack();
});

const create = async (change = {}) => (await toolstack.call('guest.create', guestSpec(change))) as GuestBuilt;
const boot = (kernel: string, ramdisk?: string) => ({ type: 'pv', kernel, ...(ramdisk && { ramdisk }), cmdline: '' });
const refusedWith = (code: string) => ({ code });

describe('guest.create', () => {
  it('makes a paused, labelled, introduced guest whose console and XenStore have the right other ends', async () => {
    const built = await create();
    expect(built.domid).toBe(FIRST_GUEST_DOMID);
    expect(world.xen.domains.info(built.domid)).toMatchObject({ paused: true });
    expect(world.specs.get(built.domid)).toMatchObject({
      context: contextOf('guest_t'),
      iommu: false,
      uuid: Uint8Array.from([
        0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
      ]),
    });
    expect(world.builds.get(built.domid)).toMatchObject({
      kernelPath: '/images/pvgrub.elf',
      store: { domid: LOGIC, port: built.storePort },
      console: { domid: TOOLSTACK, port: built.consolePort },
      hardwareDomain: false,
    });
    expect(world.xen.xenstore.introduced.get(built.domid)).toEqual({ gfn: built.storeGfn, port: built.storePort });
  });

  it('makes one of type pvh in hardware’s page tables, with tables that name its processors and without a Qemu VM', async () => {
    const cmdline = 'console=hvc0';
    const built = await create({ vcpus: 2, boot: { type: 'pvh', kernel: 'tiny', ramdisk: 'tiny', cmdline } });
    expect(built.deviceModel).toBe(null);
    expect(world.specs.get(built.domid)).toMatchObject({ kind: 'pvh', vcpus: 2, context: contextOf('guest_t') });
    expect(world.pvhBuilds.get(built.domid)).toMatchObject({
      kernelPath: '/images/guest/tiny.elf',
      ramdiskPaths: ['/images/guest/tiny.cpio'],
      cmdline,
      acpi: { address: ACPI_ADDRESS, tables: acpiTables(ACPI_ADDRESS, 2) },
      store: { domid: LOGIC, port: built.storePort },
      console: { domid: TOOLSTACK, port: built.consolePort },
    });
    world.xen.domain(TOOLSTACK).grants.map(built.domid, [0], true).close();
  });

  it('gives one of type pvh the PV GRUB that starts there', async () => {
    const { domid } = await create({ boot: { ...boot('pvgrub'), type: 'pvh' } });
    expect(world.pvhBuilds.get(domid)).toMatchObject({ kernelPath: '/images/pvgrub-pvh.bin' });
  });

  it('refuses one of type pvh in one line where the processor cannot, and others not', async () => {
    world.hvm = false;
    await expect(create({ boot: { ...boot('pvgrub'), type: 'pvh' } })).rejects.toMatchObject({
      code: 'no-hvm',
      message:
        "this host's processor offers no hardware virtualisation (AMD-V or VT-x): guests of type pvh cannot run here",
    });
    await create();
  });

  it('the console ring is open to Toolstack and to nobody else', async () => {
    const { domid, consolePort } = await create();
    world.xen.domain(TOOLSTACK).grants.map(domid, [0], true).close();
    expect(() => world.xen.domain(NETBACK).grants.map(domid, [0], true)).toThrow(PortError);
    world.xen.domain(TOOLSTACK).eventChannels.bindInterdomain(domid, consolePort);
  });

  it('Toolstack may furnish the home, and the guest may not', async () => {
    const { domid } = await create();
    const home = `/local/domain/${domid}`;
    await world.xen.domain(TOOLSTACK).xenstore.write(`${home}/name`, 'web');
    const guest = world.xen.xenstore.connect(domid);
    expect(await guest.read('name')).toBe('web');
    await expect(guest.write('name', 'dom0')).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('writes down who asked, who serves it and who may reach its memory', async () => {
    const { domid } = await create();
    const record = JSON.parse(world.node(`/ennead/trust/${domid}`) ?? '') as TrustRecord;
    expect(record).toMatchObject({
      domid,
      name: 'web',
      role: 'guest',
      label: contextOf('guest_t'),
      parent: TOOLSTACK,
      services: [LOGIC, TOOLSTACK, NETBACK, BLKBACK],
      devices: [],
    });
    expect(record.memoryAccess.map(({ by, what }) => [by, what])).toEqual([
      [BUILDER, 'all-while-building'],
      [LOGIC, 'xenstore-ring'],
      [TOOLSTACK, 'console-ring'],
      [NETBACK, 'granted-pages'],
      [BLKBACK, 'granted-pages'],
    ]);
  });

  it('boots only what is on the list, and a request cannot name a path', async () => {
    await expect(create({ boot: boot('notes') })).rejects.toMatchObject(refusedWith('unknown-image'));
    await expect(create({ boot: boot('host-config') })).rejects.toMatchObject(refusedWith('unknown-image'));
    await expect(create({ boot: boot('../pciback') })).rejects.toMatchObject(refusedWith('invalid-params'));
    await expect(create({ boot: boot('pvgrub', 'pvgrub') })).rejects.toMatchObject(refusedWith('unknown-image'));
    const { domid } = await create({ boot: boot('tiny', 'tiny') });
    expect(world.builds.get(domid)).toMatchObject({
      kernelPath: '/images/guest/tiny.elf',
      ramdiskPaths: ['/images/guest/tiny.cpio'],
    });
  });

  it.each([
    ['PCIBack', PCIBACK],
    ['XenStore-Logic', LOGIC],
    ['Toolstack itself', TOOLSTACK],
    ['a domain that does not exist', 99],
  ])('%s is no back end', async (_who, domid) => {
    await expect(create({ backends: [domid] })).rejects.toMatchObject(refusedWith('not-allowed'));
  });

  it('says how much memory is missing', async () => {
    world.freeKib = 60 * 1024;
    await expect(create()).rejects.toMatchObject({
      code: 'no-memory',
      message: 'guest web needs 68 MiB; 60 MiB are free',
    });
  });

  it('leaves nothing behind when Xen refuses half-way', async () => {
    const before = { domids: world.domids(), nodes: Object.keys(world.nodes('/')) };
    world.onBuild = () => {
      throw new PortError('ENOMEM', 'domainBuildPv', 'guest');
    };
    await expect(create()).rejects.toMatchObject({ code: 'xen-refused', message: expect.stringContaining('ENOMEM') });
    expect(world.domids()).toEqual(before.domids);
    expect(Object.keys(world.nodes('/'))).toEqual(before.nodes);
    expect(await toolstack.call('trust.list')).toMatchObject({ records: { length: 7 } });
  });

  it('twenty guests come and go, and no domain, node or introduction is left', async () => {
    const before = { domids: world.domids(), nodes: Object.keys(world.nodes('/')) };
    const introduced = world.xen.xenstore.introduced.size;
    for (let cycle = 0; cycle < 20; cycle += 1) {
      const { domid } = await create();
      expect(domid).toBe(FIRST_GUEST_DOMID + cycle);
      await toolstack.call('guest.unpause', { domid });
      await toolstack.call('guest.destroy', { domid });
      await world.xen.domain(TOOLSTACK).xenstore.remove(`/local/domain/${domid}`);
    }
    expect(world.domids()).toEqual(before.domids);
    expect(Object.keys(world.nodes('/'))).toEqual(before.nodes);
    expect(world.xen.xenstore.introduced.size).toBe(introduced);
  });
});

describe('the other requests', () => {
  it('pausing twice is pausing once', async () => {
    const { domid } = await create();
    const paused = () => world.xen.domains.info(domid)?.paused;
    await toolstack.call('guest.unpause', { domid });
    await toolstack.call('guest.pause', { domid });
    await toolstack.call('guest.pause', { domid });
    expect(paused()).toBe(true);
    await toolstack.call('guest.unpause', { domid });
    expect(paused()).toBe(false);
  });

  it('a reset ends a guest as its reboot would, and leaves it to be destroyed', async () => {
    const { domid } = await create();
    await toolstack.call('guest.unpause', { domid });
    await toolstack.call('guest.reset', { domid });
    expect(world.xen.domains.info(domid)).toMatchObject({ shutdown: 'reboot', dying: false });
    await toolstack.call('guest.destroy', { domid });
    expect(world.domids()).not.toContain(domid);
  });

  it('a paravirtual guest has no power button, says Xen', async () => {
    const { domid } = await create();
    await expect(toolstack.call('guest.powerButton', { domid })).rejects.toMatchObject({
      code: 'xen-refused',
      message: expect.stringContaining('EINVAL'),
    });
  });

  it.each(['guest.pause', 'guest.unpause', 'guest.powerButton', 'guest.reset', 'guest.destroy'])(
    '%s is for own guests, never for a service',
    async (method) => {
      for (const domid of [PCIBACK, LOGIC, BUILDER, TOOLSTACK, NETBACK, 99])
        await expect(toolstack.call(method, { domid })).rejects.toMatchObject(refusedWith('not-yours'));
      expect(world.domids()).toContain(LOGIC);
    },
  );

  it('a guest that has died by itself is destroyed once and then nobody’s', async () => {
    const { domid } = await create();
    world.xen.domains.shutdown(domid, 'crash');
    await toolstack.call('guest.destroy', { domid });
    await expect(toolstack.call('guest.destroy', { domid })).rejects.toMatchObject(refusedWith('not-yours'));
    expect(world.node(`/ennead/trust/${domid}`)).toBeUndefined();
  });

  it('a Builder process that starts again still knows whose guest it is, and gives its domid to nobody', async () => {
    const { domid } = await create();
    toolstack.close();
    await world.startBuilder();
    toolstack = await world.toolstack();
    expect((await create()).domid).toBe(domid + 1);
    await toolstack.call('guest.destroy', { domid });
    expect((await create()).domid).toBe(domid + 2);
  });

  it('the images are listed with their kinds and sizes', async () => {
    expect(await toolstack.call('images.list')).toEqual({
      images: [
        { name: 'pvgrub', kind: 'kernel', bytes: 1000 },
        { name: 'core', kind: 'kernel', bytes: 2000 },
        { name: 'pvgrub-pvh', kind: 'kernel', bytes: 900 },
        { name: 'hvmloader', kind: 'firmware', bytes: 3000 },
        { name: 'seabios', kind: 'firmware', bytes: 4000 },
        { name: 'tiny', kind: 'kernel', bytes: 10 },
        { name: 'tiny', kind: 'ramdisk', bytes: 20 },
      ],
    });
  });

  it('services are shown as Xen has them', async () => {
    world.xen.domains.shutdown(NETBACK, 'crash');
    const { services } = (await toolstack.call('services.list')) as {
      services: { name: string; state: string; domid: number | null; upSince: string | null; resets: number }[];
    };
    expect(Object.fromEntries(services.map(({ name, state }) => [name, state]))).toEqual({
      bootstrapper: 'done',
      pciback: 'paused',
      // The in-memory Xen has no domain 2.
      'xenstore-state': 'failed',
      'xenstore-logic': 'running',
      builder: 'running',
      toolstack: 'running',
      netback: 'failed',
      blkback: 'running',
    });
    expect(services.find(({ name }) => name === 'bootstrapper')?.domid).toBeNull();
    expect(services.every(({ resets }) => resets === 0)).toBe(true);
    expect(services.find(({ name }) => name === 'blkback')?.upSince).toBe('2024-01-01T00:00:00.000Z');
  });

  it('a service whose process was started again is shown with its resets', async () => {
    const blkback = world.xen.xenstore.connect(BLKBACK);
    for (let start = 0; start < 3; start += 1) await countStart(blkback, BLKBACK, () => expect.unreachable());
    await world.startBuilder();
    const again = await world.toolstack();
    const { services } = (await again.call('services.list')) as { services: { name: string; resets: number }[] };
    const resets = services.filter((service) => service.resets > 0).map((service) => [service.name, service.resets]);
    expect(resets).toEqual([
      ['builder', 1],
      ['blkback', 2],
    ]);
  });
});

describe('GuestDomids', () => {
  it('starts again only at the end of the range, and passes over what is taken', () => {
    const domids = new GuestDomids(LAST_GUEST_DOMID);
    expect(domids.take(() => true)).toBe(LAST_GUEST_DOMID);
    expect(domids.take((domid) => domid !== FIRST_GUEST_DOMID)).toBe(FIRST_GUEST_DOMID + 1);
    expect(domids.take(() => false)).toBeNull();
  });
});
