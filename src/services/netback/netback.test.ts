import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock, FakeFiles, FakeNetwork, FakeUevents, FakeXenStore, settle } from '../../kit/fake-driver-vm.ts';
import { BRIDGE, runNetback } from './netback.ts';

const DOMID = 6;
const HOME = `/local/domain/${DOMID}`;
const STATE = `${HOME}/ennead/state`;
const vif = (frontend: number) => `${HOME}/backend/vif/${frontend}/0`;

class Vm {
  readonly store = new FakeXenStore();
  readonly files = new FakeFiles();
  readonly uevents = new FakeUevents();
  readonly clock = new FakeClock();
  readonly network = new FakeNetwork(this.files);
  poweredOff = false;

  constructor() {
    this.store.nodes.set('domid', String(DOMID));
    this.files.add('/sys/class/net/lo/type');
  }

  addCard(name: string): void {
    this.files.add(`/sys/class/net/${name}/device/subsystem`, '../../bus/pci', 'link');
  }

  run(): Promise<void> {
    const { store, files, network, uevents, clock } = this;
    const power = {
      off: () => {
        this.poweredOff = true;
      },
    };
    return runNetback({ store, files, network, uevents, clock, power, log: () => {} });
  }

  /** What Toolstack and Linux write; the interface comes with `announceInterface`. */
  async addVif(frontend: number, handle = '0'): Promise<void> {
    const frontendPath = `/local/domain/${frontend}/device/vif/0`;
    const nodes = { frontend: frontendPath, 'frontend-id': `${frontend}`, online: '1', state: '2', handle };
    await this.store.writeAll(vif(frontend), nodes);
    await settle();
  }

  async announceInterface(frontend: number): Promise<void> {
    this.files.add(`/sys/class/net/vif${frontend}.0/device/subsystem`, '../../bus/xen-backend', 'link');
    this.uevents.announce();
    await settle();
  }

  status(frontend: number): string | undefined {
    return this.store.nodes.get(`${vif(frontend)}/hotplug-status`);
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
    expect(vm.store.nodes.get(STATE)).toBe('ready');
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
    other.clock.pass(30_000);
    await failed;
    expect(other.store.nodes.get(STATE)).toMatch(/^failed:.*no network card/);
  });

  it('of a second process finds the bridge made, and leaves connected links alone', async () => {
    await vm.addVif(16);
    await vm.announceInterface(16);
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
    expect(vm.store.nodes.get(`${vif(16)}/hotplug-error`)).toBe('handle is "1", not 0');
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

it('a shutdown leaves no watch of its links and no listener', async () => {
  await vm.store.write(`${HOME}/control/shutdown`, 'poweroff');
  await settle();
  expect(vm.poweredOff).toBe(true);
  expect([...vm.store.watches].map(({ path }) => path)).toEqual([`${HOME}/control/shutdown`]);
  expect(vm.uevents.listeners.size).toBe(0);
});
