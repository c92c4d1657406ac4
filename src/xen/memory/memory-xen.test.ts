import { describe, expect, it } from 'vitest';
import { PortError, VIRQ_DOM_EXC } from '../ports.ts';
import { MemoryXen } from './memory-xen.ts';

const build = (domid: number, storePort = 0) => ({
  domid,
  memoryMib: 32,
  kernelPath: '/images/core.elf',
  ramdiskPaths: [],
  cmdline: '',
  store: { domid: 3, port: storePort },
  console: { domid: 4, port: 0 },
  hardwareDomain: false,
});
const spec = (domid: number) => ({
  kind: 'pv' as const,
  domid,
  context: 'system_u:system_r:guest_t',
  uuid: new Uint8Array(16),
  vcpus: 1,
  memoryMib: 32,
  iommu: false,
});

describe('grants', () => {
  it('a write on one side is read on the other, across pages', () => {
    const xen = new MemoryXen();
    const [client, server] = [xen.add(5), xen.add(4)];
    const { region, refs } = client.grants.share(4, 2, true);
    const mapped = server.grants.map(5, refs, true);
    mapped.write(4095, Uint8Array.of(1, 2));
    expect(region.read(4095, 2)).toEqual(Uint8Array.of(1, 2));
    mapped.store32(4096, 7);
    expect(region.load32(4096)).toBe(7);
  });

  it('refuse a domain that they do not name, a write to a read-only page, and an offset outside', () => {
    const xen = new MemoryXen();
    const [client, server, stranger] = [xen.add(5), xen.add(4), xen.add(6)];
    const { refs } = client.grants.share(4, 1, false);
    expect(() => stranger.grants.map(5, refs, false)).toThrow(PortError);
    expect(() => server.grants.map(5, refs, true)).toThrow(PortError);
    const region = server.grants.map(5, refs, false);
    expect(() => region.write(0, Uint8Array.of(1))).toThrow(PortError);
    expect(() => region.read(4096, 1)).toThrow(PortError);
    expect(() => region.load32(2)).toThrow(PortError);
  });
});

describe('event channels', () => {
  it('an event that came before the handler is delivered once it is there', async () => {
    const xen = new MemoryXen();
    const [a, b] = [xen.add(5).eventChannels, xen.add(4).eventChannels];
    const port = a.allocUnbound(4);
    const other = b.bindInterdomain(5, port);
    b.notify(other);
    b.notify(other);
    let events = 0;
    a.onEvent(port, () => (events += 1));
    await xen.settle();
    expect(events).toBe(1);
  });

  it('wait() lets the other domain run and takes the event from the handler', () => {
    const xen = new MemoryXen();
    const [a, b] = [xen.add(5).eventChannels, xen.add(4).eventChannels];
    const port = a.allocUnbound(4);
    const other = b.bindInterdomain(5, port);
    expect(b.wait(other, 10)).toBe(true); // the event that binding makes
    a.onEvent(port, () => a.notify(port));
    b.notify(other);
    expect(b.wait(other, 10)).toBe(true);
    expect(b.wait(other, 10)).toBe(false);
  });

  it('a port that the builder made serves no program, and falls back to unbound when its peer dies', () => {
    const xen = new MemoryXen();
    const guest = xen.add(5);
    const logic = xen.add(3);
    const port = guest.control.allocEventChannel(5, 3);
    expect(() => guest.eventChannels.notify(port)).toThrow(PortError);
    logic.eventChannels.bindInterdomain(5, port);
    expect(() => logic.eventChannels.bindInterdomain(5, port)).toThrow(PortError);
    guest.control.destroy(3);
    expect(() => xen.add(3).eventChannels.bindInterdomain(5, port)).not.toThrow();
  });
});

describe('domains', () => {
  it('a built domain starts when it is unpaused, with its pages seeded', () => {
    const started: number[] = [];
    const xen = new MemoryXen({ onStart: ({ domid }) => started.push(domid) });
    const builder = xen.add(4);
    const logic = xen.add(3);
    const domid = builder.control.create(spec(0));
    const port = builder.control.allocEventChannel(domid, 3);
    const { storeGfn } = builder.control.build(build(domid, port));
    expect(started).toEqual([]);
    builder.control.unpause(domid);
    expect(started).toEqual([16]);
    const ring = logic.grants.map(domid, [1], true);
    ring.store32(2052, 99);
    expect(xen.domain(domid).foreignMemory.map(0x7ff0, [storeGfn], false).load32(2052)).toBe(99);
  });

  it('a dead domain stays dying until nobody maps its pages, and its death raises VIRQ_DOM_EXC', async () => {
    const xen = new MemoryXen();
    const [builder, logic] = [xen.add(4), xen.add(3)];
    const domid = builder.control.create(spec(0));
    builder.control.build(build(domid));
    const ring = logic.grants.map(domid, [1], true);
    let raised = 0;
    builder.control.setVirqHandler(3, VIRQ_DOM_EXC);
    logic.eventChannels.onEvent(logic.eventChannels.bindVirq(VIRQ_DOM_EXC), () => (raised += 1));
    builder.control.destroy(domid);
    await xen.settle();
    expect(raised).toBe(1);
    expect(builder.control.info(domid)?.dying).toBe(true);
    ring.close();
    expect(builder.control.info(domid)).toBeNull();
  });

  it('leftovers() names what a program still holds', () => {
    const xen = new MemoryXen();
    const domain = xen.add(5);
    xen.add(4);
    expect(xen.leftovers()).toEqual([]);
    const port = domain.eventChannels.allocUnbound(4);
    const { region } = domain.grants.share(4, 1, true);
    expect(xen.leftovers()).toEqual(['domain 5: port 1', 'domain 5: 1 regions']);
    domain.eventChannels.unbind(port);
    region.close();
    expect(xen.leftovers()).toEqual([]);
  });
});

describe('PVH domains', () => {
  it('are built by buildPvh() alone, with console and XenStore rings as PV domains have them, and have no power button', () => {
    const { control } = new MemoryXen().add(4);
    const [pv, pvh] = [control.create(spec(20)), control.create({ ...spec(21), kind: 'pvh' as const })];
    const pvhBuild = (domid: number) => ({
      ...build(domid),
      vcpus: 1,
      acpi: { address: 0xfc000000, tables: new Uint8Array(36) },
    });
    expect(() => control.build(build(pvh))).toThrow(/EINVAL/);
    expect(() => control.buildPvh(pvhBuild(pv))).toThrow(/EINVAL/);
    expect(control.buildPvh(pvhBuild(pvh))).toEqual({ storeGfn: expect.any(Number), consoleGfn: expect.any(Number) });
    expect(() => control.buildPvh(pvhBuild(pvh))).toThrow(/EBUSY/);
    expect(() => control.pressPowerButton(pvh)).toThrow(/EINVAL/);
  });
});

describe('HVM domains', () => {
  const hvmSpec = (domid: number) => ({ ...spec(domid), kind: 'hvm' as const, videoMib: 16, clockOffsetSeconds: 0 });
  const hvmBuild = (domid: number) => ({
    domid,
    memoryMib: 32,
    vcpus: 1,
    hvmloaderPath: '/images/hvmloader',
    firmwarePath: '/images/bios.bin',
    apic: true,
    hpet: true,
    store: { domid: 3, port: 0 },
    console: { domid: 4, port: 0 },
  });

  it('are built by buildHvm() alone, and PV domains are not', () => {
    const { control } = new MemoryXen().add(4);
    const [pv, hvm] = [control.create(spec(20)), control.create(hvmSpec(21))];
    expect(() => control.build(build(hvm))).toThrow(/EINVAL/);
    expect(() => control.buildHvm(hvmBuild(pv))).toThrow(/EINVAL/);
    expect(control.buildHvm(hvmBuild(hvm)).storeGfn).toBeGreaterThan(0);
    expect(() => control.buildHvm(hvmBuild(hvm))).toThrow(/EBUSY/);
    expect(() => control.buildHvm(hvmBuild(22))).toThrow(/ESRCH/);
  });

  it.each([
    ['an emulator that is not there', 30, 21, 'ESRCH'],
    ['a guest that is not there', 20, 30, 'ESRCH'],
    ['a domain as its own emulator', 21, 21, 'EINVAL'],
    ['a guest that is PV', 20, 4, 'EOPNOTSUPP'],
    ['an emulator that has a guest', 22, 23, 'EINVAL'],
  ])('setTarget() refuses %s', (_, deviceModel, guest, code) => {
    const { control } = new MemoryXen().add(4);
    for (const domid of [20, 22]) control.create(spec(domid));
    for (const domid of [21, 23]) control.create(hvmSpec(domid));
    control.setTarget(22, 21);
    expect(() => control.setTarget(deviceModel, guest)).toThrow(expect.objectContaining({ code }));
  });

  it('have a power button, and PV domains have none', () => {
    const { control } = new MemoryXen().add(4);
    const [pv, hvm] = [control.create(spec(20)), control.create(hvmSpec(21))];
    control.pressPowerButton(hvm);
    expect(() => control.pressPowerButton(pv)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    control.destroy(hvm);
    expect(() => control.pressPowerButton(hvm)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
  });

  it('a dead guest stays dying until its emulator is gone', () => {
    const xen = new MemoryXen();
    const { control } = xen.add(4);
    const [emulator, guest] = [control.create(spec(20)), control.create(hvmSpec(21))];
    control.setTarget(emulator, guest);
    control.destroy(guest);
    expect(control.info(guest)?.dying).toBe(true);
    expect(xen.leftovers()).toEqual(['domain 21: dead, still held by 20']);
    control.destroy(emulator);
    expect(control.info(guest)).toBeNull();
    expect(control.info(emulator)).toBeNull();
  });
});

describe('the virtual clock', () => {
  it('runs timers in order, up to the time it is advanced to', async () => {
    const { clock } = new MemoryXen();
    const ran: string[] = [];
    clock.after(20, () => ran.push('late'));
    clock.after(10, () => {
      ran.push('early');
      clock.after(5, () => ran.push('nested'));
    });
    const cancel = clock.after(12, () => ran.push('cancelled'));
    cancel();
    await clock.advance(15);
    expect(ran).toEqual(['early', 'nested']);
    expect(clock.nowMs()).toBe(15);
    await clock.advance(5);
    expect(ran).toEqual(['early', 'nested', 'late']);
  });
});
