import { beforeEach, describe, expect, it } from 'vitest';
import { BRIDGE } from '../../contracts/bridge.ts';
import { attachedNode } from '../../contracts/builder.ts';
import { FakeFiles, FakeNetwork, FakeUevents } from '../../kit/fake-driver-vm.ts';
import { MemoryXen } from '../../xen/memory/memory-xen.ts';
import { runNetback } from './netback.ts';

const BUILDER = 4;
const DOMID = 6;
const HOME = `/local/domain/${DOMID}`;
const STATE = `${HOME}/ennead/state`;
const vif = (frontend: number) => `${HOME}/backend/vif/${frontend}/0`;

class Vm {
  readonly xen = new MemoryXen();
  /** Toolstack and Builder, as far as XenStore tells them apart. */
  readonly others = this.xen.add(BUILDER).xenstore;
  /** The connection of the process that runs now. */
  private store = this.xen.add(DOMID).xenstore;
  readonly files = new FakeFiles();
  readonly uevents = new FakeUevents();
  readonly network = new FakeNetwork(this.files);
  poweredOff = false;

  constructor() {
    this.files.add('/sys/class/net/lo/type');
  }

  node(path: string): string | undefined {
    return this.xen.xenstore.dump()[path];
  }

  write(parent: string, nodes: Record<string, string>): Promise<void> {
    return this.others.transaction(async (store) => {
      for (const [name, value] of Object.entries(nodes)) await store.write(`${parent}/${name}`, value);
    });
  }

  /** The process dies, and all it held in XenStore with it; Linux keeps what is Linux's. The next one can be run. */
  endProcess(): void {
    this.store.close();
    this.uevents.listeners.clear();
    this.store = this.xen.xenstore.connect(DOMID);
  }

  addCard(name: string): void {
    this.files.add(`/sys/class/net/${name}/device/subsystem`, '../../bus/pci', 'link');
    this.files.add(`/sys/class/net/${name}/carrier`, '1\n');
  }

  run(): Promise<void> {
    const { store, files, network, uevents } = this;
    const power = {
      off: () => {
        this.poweredOff = true;
      },
    };
    return runNetback({ store, files, network, uevents, clock: this.xen.clock, power, log: () => {} });
  }

  /** What Toolstack and Linux write; the interface comes with `announceInterface`. */
  async addVif(frontend: number, handle = '0'): Promise<void> {
    const frontendPath = `/local/domain/${frontend}/device/vif/0`;
    const nodes = { frontend: frontendPath, 'frontend-id': `${frontend}`, online: '1', state: '2', handle };
    await this.write(vif(frontend), nodes);
    await this.xen.settle();
  }

  async announceInterface(frontend: number): Promise<void> {
    this.files.add(`/sys/class/net/vif${frontend}.0/device/subsystem`, '../../bus/xen-backend', 'link');
    this.uevents.announce();
    await this.xen.settle();
  }

  status(frontend: number): string | undefined {
    return this.node(`${vif(frontend)}/hotplug-status`);
  }
}

let vm: Vm;

beforeEach(async () => {
  vm = new Vm();
  vm.addCard('eth0');
  await vm.run();
});

describe('start', () => {
  it('puts the card on the bridge, brings both up and says ready', () => {
    expect(vm.network.ports).toEqual(['eth0']);
    expect([...vm.network.upInterfaces]).toEqual(['eth0', BRIDGE]);
    expect(vm.node(STATE)).toBe('ready');
  });

  it('says ready when the card has a carrier, and serves links before that', async () => {
    const other = new Vm();
    other.addCard('eth0');
    other.files.add('/sys/class/net/eth0/carrier', '0\n');
    const running = other.run();
    await other.addVif(16);
    await other.announceInterface(16);
    expect([other.node(STATE), other.status(16)]).toEqual(['starting', 'connected']);
    other.files.add('/sys/class/net/eth0/carrier', '1\n');
    await other.xen.clock.advance(100);
    await running;
    expect(other.node(STATE)).toBe('ready');
  });

  it('without a cable says ready all the same, after a while', async () => {
    const other = new Vm();
    other.addCard('eth0');
    other.files.remove('/sys/class/net/eth0/carrier');
    const running = other.run();
    await other.xen.clock.advance(5_000);
    await running;
    expect(other.node(STATE)).toBe('ready');
  });

  it('takes one port of a card that has several', async () => {
    const other = new Vm();
    other.addCard('eth0');
    other.addCard('eth1');
    await other.run();
    expect(other.network.ports).toEqual(['eth0']);
  });

  it('does not take an interface of the back end for a card', async () => {
    const other = new Vm();
    const running = other.run();
    const failed = expect(running).rejects.toThrow('no network card');
    await other.announceInterface(16);
    await other.xen.clock.advance(30_000);
    await failed;
    expect(other.node(STATE)).toMatch(/^failed:.*no network card/);
  });

  it('of a second process finds the bridge made, and leaves connected links alone', async () => {
    await vm.addVif(16);
    await vm.announceInterface(16);
    vm.endProcess();
    await vm.run();
    expect(vm.network.ports).toEqual(['eth0', 'vif16.0']);
  });
});

describe('a vif', () => {
  it('is put on the bridge as soon as Linux announces its interface, not before', async () => {
    await vm.addVif(16);
    expect(vm.status(16)).toBeUndefined();
    await vm.announceInterface(16);
    expect(vm.status(16)).toBe('connected');
    expect(vm.network.ports).toEqual(['eth0', 'vif16.0']);
    expect(vm.network.upInterfaces).toContain('vif16.0');
  });

  it('whose handle would name another interface is refused', async () => {
    await vm.addVif(16, '1');
    expect(vm.status(16)).toBe('error');
    expect(vm.node(`${vif(16)}/hotplug-error`)).toBe('handle is "1", not 0');
  });

  it('that the bridge does not take is refused, and the next one is served', async () => {
    const addToBridge = vm.network.addToBridge.bind(vm.network);
    vm.network.addToBridge = (bridge, name) => {
      if (name === 'vif16.0') throw new Error('EXFULL');
      addToBridge(bridge, name);
    };
    await vm.addVif(16);
    await vm.addVif(17);
    await vm.announceInterface(16);
    await vm.announceInterface(17);
    expect([vm.status(16), vm.status(17)]).toEqual(['error', 'connected']);
  });
});

it('the ports of the bridge are counted, the card among them, until Linux has taken them away', async () => {
  const ports = () => vm.node(attachedNode(DOMID));
  expect(ports()).toBe('1');
  await vm.addVif(16);
  await vm.announceInterface(16);
  expect(ports()).toBe('2');
  await vm.others.remove(vif(16));
  await vm.xen.settle();
  expect(ports()).toBe('2');
  vm.network.removeInterface(BRIDGE, 'vif16.0');
  vm.uevents.announce();
  await vm.xen.settle();
  expect(ports()).toBe('1');
});

it('a shutdown leaves no watch of its links and no listener', async () => {
  await vm.others.write(`${HOME}/control/shutdown`, 'poweroff');
  await vm.xen.settle();
  expect(vm.poweredOff).toBe(true);
  // Its watch of control/shutdown ends with the VM.
  expect(vm.xen.leftovers()).toEqual(['1 watches']);
  expect(vm.uevents.listeners.size).toBe(0);
});
