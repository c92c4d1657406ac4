/** Guests of type hvm: pairs of a guest and its Qemu VM. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type GuestBuilt, type ServiceStatus, stateNode, type TrustRecord } from '../../contracts/builder.ts';
import { FIRST_GUEST_DOMID } from '../../contracts/domids.ts';
import { contextOf } from '../../contracts/flask-contexts.ts';
import { serviceCatalogue } from '../../contracts/service-catalogue.ts';
import type { RpcPeer } from '../../kit/rpc.ts';
import { PortError } from '../../xen/ports.ts';
import { BLKBACK, BUILDER, guestSpec, LOGIC, NETBACK, TOOLSTACK, World } from './testing/world.ts';

let world: World;
let toolstack: RpcPeer;
beforeEach(async () => {
  world = new World();
  await world.boot();
  toolstack = await world.toolstack();
});

const boot = {
  type: 'hvm',
  firmware: 'seabios',
  videoMib: 16,
  acpi: true,
  apic: true,
  hpet: false,
  clockOffsetSeconds: 0,
  xenPlatform: false,
  console: false,
} as const;
const GUEST = FIRST_GUEST_DOMID;
const QEMU = FIRST_GUEST_DOMID + 1;
const home = (domid: number): string => `/local/domain/${domid}`;

const create = async (change = {}) =>
  (await toolstack.call('guest.create', guestSpec({ boot, ...change }))) as GuestBuilt;
const destroy = (domid: number) => toolstack.call('guest.destroy', { domid });
const record = (domid: number) => JSON.parse(world.node(`/ennead/trust/${domid}`) ?? '') as TrustRecord;
const snapshot = () => ({
  domids: world.domids(),
  nodes: Object.keys(world.nodes('/')),
  introduced: [...world.xen.xenstore.introduced.keys()],
});

describe('guest.create of type hvm', () => {
  it('makes a paused guest that starts with hvmloader and SeaBIOS', async () => {
    const built = await create();
    expect(built).toMatchObject({ domid: GUEST, deviceModel: QEMU });
    expect(world.specs.get(GUEST)).toMatchObject({ kind: 'hvm', videoMib: 16, context: contextOf('guest_t') });
    expect(world.hvmBuilds.get(GUEST)).toEqual({
      domid: GUEST,
      memoryMib: 64,
      vcpus: 1,
      hvmloaderPath: '/images/hvmloader',
      firmwarePath: '/images/bios-256k.bin',
      apic: true,
      hpet: false,
      store: { domid: LOGIC, port: built.storePort },
      console: { domid: GUEST, port: 0 },
    });
    expect(world.xen.domains.info(GUEST)).toMatchObject({ paused: true });
    expect(world.xen.xenstore.introduced.get(GUEST)).toEqual({ gfn: built.storeGfn, port: built.storePort });
  });

  it('sets its clock, which Xen emulates, as far from UTC as it is asked to', async () => {
    await create({ boot: { ...boot, clockOffsetSeconds: -3600 } });
    expect(world.specs.get(GUEST)).toMatchObject({ clockOffsetSeconds: -3600 });
    await expect(create({ boot: { ...boot, clockOffsetSeconds: 2 ** 31 } })).rejects.toMatchObject({
      code: 'invalid-params',
    });
  });

  it('and its Qemu VM, which is paused, too, and has that guest as its target', async () => {
    await create();
    expect(world.specs.get(QEMU)).toMatchObject({
      kind: 'pv',
      context: contextOf('qemu_t'),
      memoryMib: serviceCatalogue.qemu.memoryMib,
    });
    expect(world.builds.get(QEMU)).toMatchObject({ kernelPath: '/images/driver.elf', console: { port: 0 } });
    expect(world.xen.domains.info(QEMU)).toMatchObject({ paused: true });
    expect(world.xen.domains.holders(GUEST)).toEqual([QEMU]);
    expect(world.xen.xenstore.introduced.has(QEMU)).toBe(true);
  });

  it('the Qemu VM does not start before Xen has confined it', async () => {
    let paused: boolean | undefined;
    world.onSetTarget = () => {
      paused = world.xen.domains.info(QEMU)?.paused;
    };
    await create();
    expect(paused).toBe(true);
  });

  it('the Qemu VM starts when its guest’s owner asks for it, before the guest', async () => {
    await create();
    await toolstack.call('guest.startDeviceModel', { domid: GUEST });
    expect(world.xen.domains.info(QEMU)).toMatchObject({ paused: false });
    expect(world.xen.domains.info(GUEST)).toMatchObject({ paused: true });
  });

  it('a guest without one has none that could be started, and nobody starts that of another’s', async () => {
    await create({ boot: { type: 'pv', kernel: 'core', cmdline: '' } });
    for (const domid of [GUEST, BUILDER])
      await expect(toolstack.call('guest.startDeviceModel', { domid })).rejects.toMatchObject({ code: 'not-yours' });
  });

  it('writes down that the Qemu VM reaches all memory of its guest, and who reaches its own', async () => {
    await create();
    expect(record(GUEST)).toMatchObject({ role: 'guest', parent: TOOLSTACK, services: [LOGIC, TOOLSTACK, QEMU] });
    expect(record(GUEST).memoryAccess.map(({ by, what }) => [by, what])).toEqual([
      [BUILDER, 'all-while-building'],
      [LOGIC, 'xenstore-ring'],
      [QEMU, 'all'],
    ]);
    expect(record(QEMU)).toMatchObject({
      name: 'web-dm',
      role: 'device-model',
      label: contextOf('qemu_t'),
      parent: TOOLSTACK,
      services: [LOGIC, TOOLSTACK, NETBACK, BLKBACK],
      devices: [],
    });
    expect(record(QEMU).memoryAccess.map(({ by, what }) => [by, what])).toEqual([
      [BUILDER, 'all-while-building'],
      [LOGIC, 'xenstore-ring'],
      [TOOLSTACK, 'link-ring'],
      [NETBACK, 'granted-pages'],
      [BLKBACK, 'granted-pages'],
    ]);
  });

  it('a guest whose system may have Xen drivers may use the back ends itself, and may have a console', async () => {
    const built = await create({ boot: { ...boot, xenPlatform: true, console: true } });
    expect(record(GUEST).services).toEqual([LOGIC, TOOLSTACK, QEMU, NETBACK, BLKBACK]);
    expect(record(GUEST).memoryAccess.map(({ by, what }) => [by, what])).toEqual([
      [BUILDER, 'all-while-building'],
      [LOGIC, 'xenstore-ring'],
      [TOOLSTACK, 'console-ring'],
      [QEMU, 'all'],
      [NETBACK, 'granted-pages'],
      [BLKBACK, 'granted-pages'],
    ]);
    expect(world.hvmBuilds.get(GUEST)?.console).toEqual({ domid: TOOLSTACK, port: built.consolePort });
  });

  it('in XenStore the Qemu VM has its own home, and nothing of its guest', async () => {
    await create();
    const { xenstore } = world.xen.domain(TOOLSTACK);
    await xenstore.write(`${home(GUEST)}/hvmloader`, '');
    await xenstore.write(`${home(QEMU)}/device/vbd`, '');
    const qemu = world.xen.xenstore.connect(QEMU);
    expect(await qemu.read('target')).toBe(String(GUEST));
    await expect(qemu.write('target', String(BUILDER))).rejects.toMatchObject({ code: 'EACCES' });
    await qemu.write('ennead/state', 'ready');
    expect(await xenstore.read(stateNode(QEMU))).toBe('ready');
    await expect(qemu.read(`${home(GUEST)}/hvmloader`)).rejects.toMatchObject({ code: 'EACCES' });
    await expect(qemu.write(`${home(GUEST)}/name`, 'x')).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('is refused in one line where the processor cannot', async () => {
    world.hvm = false;
    await expect(create()).rejects.toMatchObject({
      code: 'no-hvm',
      message:
        "this host's processor offers no hardware virtualisation (AMD-V or VT-x): guests of type hvm cannot run here",
    });
  });

  it.each([
    ['hvmloader', 'hvmloader', 'seabios'],
    ['bios-256k.bin', 'seabios', 'hvmloader'],
  ])('is refused when Builder has no %s', async (file, name, other) => {
    delete world.files[`/images/${file}`];
    await world.startBuilder();
    toolstack = await world.toolstack();
    await expect(create()).rejects.toMatchObject({
      code: 'unknown-image',
      message: `no firmware is called ${name}; there are: ${other}`,
    });
  });

  it('needs memory for both, for the screen and for what Xen keeps of them', async () => {
    world.freeKib = 100 * 1024;
    await expect(create()).rejects.toMatchObject({
      code: 'no-memory',
      message: 'guest web needs 188 MiB; 100 MiB are free',
    });
    world.freeKib = 188 * 1024;
    await create();
  });

  it.each([
    ['the guest', GUEST],
    ['its Qemu VM', QEMU],
  ])('leaves nothing behind when Xen refuses to load %s', async (_what, domid) => {
    const before = snapshot();
    world.onBuild = (build) => {
      if (build.domid === domid) throw new PortError('ENOMEM', 'domainBuild', `domain ${domid}`);
    };
    await expect(create()).rejects.toMatchObject({ code: 'xen-refused', message: expect.stringContaining('ENOMEM') });
    expect(snapshot()).toEqual(before);
  });

  it('leaves nothing behind when Xen refuses the target', async () => {
    const before = snapshot();
    world.onSetTarget = () => {
      throw new PortError('EACCES', 'domainSetTarget', 'denied');
    };
    await expect(create()).rejects.toMatchObject({ code: 'xen-refused' });
    expect(snapshot()).toEqual(before);
    expect(await toolstack.call('trust.list')).toMatchObject({ records: { length: 7 } });
  });
});

describe('a pair', () => {
  it('is destroyed together, the Qemu VM first', async () => {
    const before = snapshot();
    await create();
    await toolstack.call('guest.unpause', { domid: GUEST });
    await destroy(GUEST);
    expect(world.destroyed.slice(-2)).toEqual([QEMU, GUEST]);
    for (const domid of [GUEST, QEMU]) await world.xen.domain(BUILDER).xenstore.remove(home(domid));
    expect(snapshot()).toEqual(before);
  });

  it('goes when the Qemu VM is gone already', async () => {
    await create();
    world.xen.domains.destroy(QEMU);
    await destroy(GUEST);
    expect(world.domids()).not.toContain(GUEST);
    expect(world.node(`/ennead/trust/${QEMU}`)).toBeUndefined();
  });

  it('goes when the guest has died of itself', async () => {
    await create();
    world.xen.domains.shutdown(GUEST, 'crash');
    await destroy(GUEST);
    expect(world.domids()).not.toContain(QEMU);
  });

  it.each(['guest.pause', 'guest.unpause', 'guest.powerButton', 'guest.reset', 'guest.destroy'])(
    '%s is not for the Qemu VM alone',
    async (method) => {
      await create();
      await expect(toolstack.call(method, { domid: QEMU })).rejects.toMatchObject({ code: 'not-yours' });
    },
  );

  it('the power button is pressed in the guest', async () => {
    await create();
    await toolstack.call('guest.powerButton', { domid: GUEST });
    expect(world.xen.domains.powerButtonPressed(GUEST)).toBe(1);
  });

  it('the Qemu VM runs on while its guest is paused', async () => {
    await create();
    await toolstack.call('guest.startDeviceModel', { domid: GUEST });
    await toolstack.call('guest.unpause', { domid: GUEST });
    await toolstack.call('guest.pause', { domid: GUEST });
    expect(world.xen.domains.info(GUEST)).toMatchObject({ paused: true });
    expect(world.xen.domains.info(QEMU)).toMatchObject({ paused: false });
  });

  it('is still a pair for a Builder process that starts again', async () => {
    await create();
    await world.startBuilder();
    toolstack = await world.toolstack();
    await destroy(GUEST);
    expect(world.destroyed.slice(-2)).toEqual([QEMU, GUEST]);
    expect(await create()).toMatchObject({ domid: QEMU + 1, deviceModel: QEMU + 2 });
  });

  it('goes with the host', async () => {
    await create();
    await toolstack.call('host.shutdown');
    await world.xen.clock.advance(1);
    expect(world.destroyed.slice(-2)).toEqual([QEMU, GUEST]);
  });

  it('shows its Qemu VM among the services, with its memory', async () => {
    await create();
    await toolstack.call('guest.startDeviceModel', { domid: GUEST });
    const { services } = (await toolstack.call('services.list')) as { services: ServiceStatus[] };
    const { job, memoryMib } = serviceCatalogue.qemu;
    expect(services.at(-1)).toMatchObject({ name: 'web-dm', job, memoryMib, domid: QEMU, state: 'running' });
    expect(services.map(({ name }) => name)).not.toContain('web');
  });
});
