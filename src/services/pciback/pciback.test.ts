import { beforeEach, describe, expect, it } from 'vitest';
import { BUILDER_LINK, startsNode } from '../../contracts/builder.ts';
import { BUILDER_DOMID, PCIBACK_DOMID } from '../../contracts/domids.ts';
import { acceptLinks } from '../../kit/link-accept.ts';
import { decodeOffer, offerLink } from '../../kit/link-offer.ts';
import { type RpcPeer, rpcPeer } from '../../kit/rpc.ts';
import { inputOf } from '../../wire/byte-ring.ts';
import { MemoryXen } from '../../xen/memory/memory-xen.ts';
import { type Devices, type Files, PortError } from '../../xen/ports.ts';
import { runPciBack } from './pciback.ts';

const DRIVER_VM = 6;
const AHCI = '0000:00:03.0';
const NIC = '0000:00:04.0';
const BRIDGE = '0000:00:1f.0';
const BACKEND = `/local/domain/1/backend/pci/${DRIVER_VM}/0`;

/** sysfs as Linux fills it, and what is written to it. */
class Sysfs {
  readonly nodes = new Map<string, string>();
  readonly links = new Map<string, string>();
  readonly written: string[] = [];
  synced = 0;
  refuses: string | null = null;

  add(bdf: string, attributes: Record<string, string>): void {
    for (const [name, value] of Object.entries(attributes))
      this.nodes.set(`/sys/bus/pci/devices/${bdf}/${name}`, `${value}\n`);
  }

  readonly files = {
    list: (path: string) => {
      const below = [...this.nodes.keys()].filter((node) => node.startsWith(`${path}/`));
      return [...new Set(below.map((node) => node.slice(path.length + 1).split('/')[0] ?? ''))].sort();
    },
    read: (path: string) => {
      const value = this.nodes.get(path);
      if (value === undefined) throw new PortError('ENOENT', 'read', path);
      return new TextEncoder().encode(value);
    },
    write: (path: string, bytes: Uint8Array) => {
      const value = new TextDecoder().decode(bytes);
      if (path.endsWith('/bind') && value === this.refuses) throw new PortError('ENODEV', 'write', path);
      this.written.push(`${path} ← ${value}`);
    },
    stat: (path: string) =>
      this.links.has(path) ? ({ kind: 'directory', size: 0, allocated: 0, major: 0, minor: 0 } as const) : null,
    readlink: (path: string) => this.links.get(path) ?? '',
    sync: () => {
      this.synced += 1;
    },
  } as unknown as Files;
}

/** One line for each right that Xen was asked to give. */
class RecordedDevices implements Devices {
  readonly calls: string[] = [];
  refuses: string | null = null;
  private record(call: string): void {
    if (this.refuses && call.startsWith(this.refuses)) throw new PortError('EPERM', this.refuses, call);
    this.calls.push(call);
  }
  assign = (domid: number, sbdf: number) => this.record(`assign ${domid} 0x${sbdf.toString(16)}`);
  deassign = (domid: number, sbdf: number) => this.record(`deassign ${domid} 0x${sbdf.toString(16)}`);
  allowMemory = (domid: number, first: number, count: number, allow: boolean) =>
    this.record(`memory ${domid} 0x${first.toString(16)}+${count} ${allow}`);
  allowPorts = (domid: number, first: number, count: number, allow: boolean) =>
    this.record(`ports ${domid} 0x${first.toString(16)}+${count} ${allow}`);
  allowGsi = (domid: number, gsi: number) => {
    this.record(`gsi ${domid} ${gsi}`);
    return gsi;
  };
}

const none = '0x0000000000000000 0x0000000000000000 0x0000000000000000';
const ahciResource = [
  ...[none, none, none, none],
  '0x000000000000c040 0x000000000000c05f 0x0000000000040101',
  '0x00000000febd1000 0x00000000febd1fff 0x0000000000040200',
  // The option ROM.
  '0x00000000feb80000 0x00000000febbffff 0x0000000000046200',
  ...[none, none],
].join('\n');
const nicResource = [
  '0x00000000feb40000 0x00000000feb5ffff 0x0000000000040200',
  '0x00000000febd2800 0x00000000febd30ff 0x0000000000040200',
  '0x000000fd00000000 0x000000fd00003fff 0x000000000014220c',
].join('\n');

class Host {
  readonly xen = new MemoryXen({ privileged: [BUILDER_DOMID, PCIBACK_DOMID] });
  readonly sysfs = new Sysfs();
  readonly devices = new RecordedDevices();
  readonly lines: string[] = [];
  poweredOff = false;
  builder!: RpcPeer;

  constructor() {
    this.sysfs.add(AHCI, { class: '0x010601', vendor: '0x8086', device: '0x2922', irq: '23', resource: ahciResource });
    this.sysfs.add(NIC, { class: '0x020000', vendor: '0x8086', device: '0x10d3', irq: '0', resource: nicResource });
    this.sysfs.add(BRIDGE, { class: '0x060100', vendor: '0x8086', device: '0x2918', irq: '0', resource: none });
    this.xen.add(PCIBACK_DOMID);
    this.xen.add(BUILDER_DOMID);
  }

  /** What Builder does, up to the point where it has heard of the controllers. */
  async run(): Promise<void> {
    const { grants, eventChannels, xenstore } = this.xen.domain(BUILDER_DOMID);
    await xenstore.write('/local/domain/1/domid', '1');
    for (const folder of ['ennead', 'backend']) {
      await xenstore.mkdir(`/local/domain/1/${folder}`);
      await xenstore.setPermissions(`/local/domain/1/${folder}`, [{ domid: 1, access: 'none' }]);
    }
    await acceptLinks({ grants, eventChannels, xenstore }, { name: BUILDER_LINK, client: PCIBACK_DOMID }, (link) => {
      this.builder = rpcPeer(link, {});
    });
    const pciback = this.xen.domain(PCIBACK_DOMID);
    await runPciBack({
      store: pciback.xenstore,
      devices: this.devices,
      files: this.sysfs.files,
      power: {
        off: () => {
          this.poweredOff = true;
        },
      },
      log: (line) => void this.lines.push(line),
      offerLink: () => offerLink(pciback, { name: BUILDER_LINK, server: BUILDER_DOMID }),
    });
    await this.xen.settle();
  }

  async controllers(): Promise<string[]> {
    const { controllers } = (await this.builder.call('controllers.list')) as { controllers: { bdf: string }[] };
    return controllers.map(({ bdf }) => bdf);
  }

  /** Builder's end of the ring says that it has written more than the ring holds. */
  breakLink(): void {
    const link = '/local/domain/1/ennead/link/builder';
    const { ref, port: remote } = decodeOffer(this.xen.xenstore.dump()[link] ?? '')!;
    const { grants, eventChannels } = this.xen.domain(BUILDER_DOMID);
    this.builder.close();
    const ring = grants.map(PCIBACK_DOMID, [ref], true);
    const port = eventChannels.bindInterdomain(PCIBACK_DOMID, remote);
    ring.store32(inputOf('client').producer, 0x7fffffff);
    eventChannels.notify(port);
    eventChannels.unbind(port);
    ring.close();
  }

  hand(bdf: string, isolated = true): Promise<unknown> {
    return this.builder.call('device.hand', { bdf, domid: DRIVER_VM, isolated });
  }
}

let host: Host;
beforeEach(() => {
  host = new Host();
});

describe('controllers', () => {
  it('storage and network are kept from every driver and reported; a bridge is left alone', async () => {
    await host.run();
    expect(await host.builder.call('controllers.list')).toEqual({
      controllers: [
        { bdf: AHCI, kind: 'storage', classCode: 0x010601, vendor: 0x8086, device: 0x2922 },
        { bdf: NIC, kind: 'network', classCode: 0x020000, vendor: 0x8086, device: 0x10d3 },
      ],
    });
    expect(host.sysfs.written).toEqual([
      `/sys/bus/pci/devices/${AHCI}/driver_override ← pciback`,
      `/sys/bus/pci/drivers/pciback/bind ← ${AHCI}`,
      `/sys/bus/pci/devices/${NIC}/driver_override ← pciback`,
      `/sys/bus/pci/drivers/pciback/bind ← ${NIC}`,
    ]);
  });

  it('one that an earlier process kept is not bound again, and one that cannot be kept is not reported', async () => {
    host.sysfs.links.set(`/sys/bus/pci/devices/${AHCI}/driver`, '../../../bus/pci/drivers/pciback');
    host.sysfs.refuses = NIC;
    await host.run();
    expect(await host.controllers()).toEqual([AHCI]);
    expect(host.sysfs.written.filter((line) => line.includes('/bind'))).toEqual([]);
    expect(host.lines.join()).toContain(`controller ${NIC} cannot be handed over`);
  });

  it('one that another driver has is not taken from it', async () => {
    host.sysfs.links.set(`/sys/bus/pci/devices/${AHCI}/driver`, '../../../bus/pci/drivers/ahci');
    await host.run();
    expect(await host.controllers()).toEqual([NIC]);
  });

  it('its start is counted', async () => {
    await host.run();
    await host.xen.settle();
    expect(host.xen.xenstore.dump()[startsNode(PCIBACK_DOMID)]).toBe('1');
  });

  it('a link that is broken is offered anew', async () => {
    await host.run();
    const broken = host.builder;
    host.breakLink();
    await host.xen.settle();
    expect(host.builder).not.toBe(broken);
    expect(await host.controllers()).toEqual([AHCI, NIC]);
  });
});

describe('device.hand', () => {
  it('gives the registers, the ports, the interrupt and, last, the DMA; never the option ROM', async () => {
    await host.run();
    await host.hand(AHCI);
    expect(host.devices.calls).toEqual([
      `memory ${DRIVER_VM} 0xfebd1+1 true`,
      `ports ${DRIVER_VM} 0xc040+32 true`,
      `gsi ${DRIVER_VM} 23`,
      `assign ${DRIVER_VM} 0x18`,
    ]);
  });

  it('counts whole pages where registers cross one, above 4 GiB, too, and gives no interrupt where there is none', async () => {
    await host.run();
    await host.hand(NIC, false);
    expect(host.devices.calls).toEqual([
      `memory ${DRIVER_VM} 0xfeb40+32 true`,
      `memory ${DRIVER_VM} 0xfebd2+2 true`,
      `memory ${DRIVER_VM} 0xfd00000+4 true`,
    ]);
  });

  it('writes a back end that the driver VM may read and not write', async () => {
    await host.run();
    await host.hand(AHCI);
    const nodes = host.xen.xenstore.dump(BACKEND);
    expect(nodes).toMatchObject({
      [`${BACKEND}/dev-0`]: AHCI,
      [`${BACKEND}/num_devs`]: '1',
      [`${BACKEND}/state`]: '1',
      [`${BACKEND}/frontend`]: `/local/domain/${DRIVER_VM}/device/pci/0`,
      [`${BACKEND}/frontend-id`]: String(DRIVER_VM),
    });
    const driver = host.xen.add(DRIVER_VM).xenstore;
    expect(await driver.read(`${BACKEND}/state`)).toBe('1');
    await expect(driver.write(`${BACKEND}/dev-0`, NIC)).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('asked twice, gives nothing twice and leaves the back end as it is', async () => {
    await host.run();
    await host.hand(AHCI);
    const { length } = host.devices.calls;
    await host.xen.domain(PCIBACK_DOMID).xenstore.write(`${BACKEND}/state`, '4');
    await host.hand(AHCI);
    expect(host.devices.calls).toHaveLength(length);
    expect(host.xen.xenstore.dump()[`${BACKEND}/state`]).toBe('4');
  });

  it('what Xen refuses, Builder is told, and the device stays here', async () => {
    host.devices.refuses = 'assign';
    await host.run();
    await expect(host.hand(AHCI)).rejects.toMatchObject({
      code: 'xen-refused',
      message: expect.stringContaining('EPERM'),
    });
    expect(host.xen.xenstore.dump(BACKEND)).toEqual({});
  });

  it.each([BRIDGE, '0000:ff:1f.7'])('%s, which was not reported, is not given away', async (bdf) => {
    await host.run();
    await expect(host.hand(bdf)).rejects.toMatchObject({ code: 'unknown-device' });
    expect(host.devices.calls).toEqual([]);
  });
});

describe('device.return', () => {
  it('removes the back end and takes the device, also from a VM that is dead', async () => {
    await host.run();
    await host.hand(AHCI);
    await host.builder.call('device.return', { bdf: AHCI, domid: DRIVER_VM, isolated: true });
    expect(host.xen.xenstore.dump(BACKEND)).toEqual({});
    expect(host.devices.calls.at(-1)).toBe(`deassign ${DRIVER_VM} 0x18`);
    host.devices.deassign = () => {
      throw new PortError('ESRCH', 'deassign', String(DRIVER_VM));
    };
    await host.builder.call('device.return', { bdf: AHCI, domid: DRIVER_VM, isolated: true });
  });
});

it('power.off writes what is cached and switches the machine off', async () => {
  await host.run();
  await host.builder.call('power.off');
  expect([host.sysfs.synced, host.poweredOff]).toEqual([1, true]);
});
