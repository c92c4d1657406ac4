import { beforeEach, describe, expect, it } from 'vitest';
import { attachedNode } from '../contracts/builder.ts';
import { MemoryXen } from '../xen/memory/memory-xen.ts';
import type { XenStore } from '../xen/xenstore-port.ts';
import { type BackendDevice, BackendDevices, type BackendHandler } from './backend-devices.ts';

const BLKBACK = 5;
const BUILDER = 4;
const HOME = `/local/domain/${BLKBACK}`;
const pathOf = (frontend: number | string, id: number | string) => `${HOME}/backend/vbd/${frontend}/${id}`;

class RecordingHandler implements BackendHandler {
  readonly events: string[] = [];
  answer: () => Promise<Record<string, string> | 'later'> = async () => ({ 'physical-device': '7:0' });

  connect(device: BackendDevice) {
    this.events.push(`connect ${device.frontend}/${device.id}`);
    return this.answer();
  }
  async adopt(device: BackendDevice) {
    this.events.push(`adopt ${device.frontend}/${device.id}`);
  }
  disconnect(device: BackendDevice) {
    this.events.push(`disconnect ${device.frontend}/${device.id}`);
  }
  count = 0;
  attached() {
    return this.count;
  }
}

let xen: MemoryXen;
/** Whoever makes and removes devices. */
let maker: XenStore;
let handler: RecordingHandler;
let log: string[];
let devices: BackendDevices;

const writeAll = (parent: string, nodes: Record<string, string>) =>
  maker.transaction(async (store) => {
    for (const [name, value] of Object.entries(nodes)) await store.write(`${parent}/${name}`, value);
  });

/** A device as Toolstack writes it and Linux's driver has found it. */
const addDevice = (frontend: number, id: number, nodes: Record<string, string> = {}) =>
  writeAll(pathOf(frontend, id), {
    frontend: `/local/domain/${frontend}/device/vbd/${id}`,
    'frontend-id': String(frontend),
    online: '1',
    state: '2',
    ...nodes,
  });

const node = (frontend: number, id: number, name: string) => xen.xenstore.dump()[`${pathOf(frontend, id)}/${name}`];

beforeEach(() => {
  xen = new MemoryXen();
  maker = xen.add(BUILDER).xenstore;
  const { xenstore: store } = xen.add(BLKBACK);
  handler = new RecordingHandler();
  log = [];
  devices = new BackendDevices(
    { store, domid: BLKBACK, class: 'vbd', log: (line) => log.push(line), devicesMax: 3 },
    handler,
  );
});

describe('a device', () => {
  it('is connected when Linux waits for it, whether it was there before or comes later', async () => {
    await addDevice(16, 51712);
    await devices.start();
    await addDevice(17, 51712);
    await xen.settle();
    expect(handler.events).toEqual(['connect 16/51712', 'connect 17/51712']);
    for (const frontend of [16, 17]) {
      expect(node(frontend, 51712, 'physical-device')).toBe('7:0');
      expect(node(frontend, 51712, 'hotplug-status')).toBe('connected');
    }
  });

  it('is left alone until Linux waits for it', async () => {
    await devices.start();
    await addDevice(16, 51712, { state: '1' });
    await xen.settle();
    expect(handler.events).toEqual([]);
    await maker.write(`${pathOf(16, 51712)}/state`, '2');
    await xen.settle();
    expect(handler.events).toEqual(['connect 16/51712']);
  });

  it('is asked for again only when something changed, if it cannot be had yet', async () => {
    handler.answer = async () => 'later';
    await devices.start();
    await addDevice(16, 51712);
    await xen.settle();
    expect(node(16, 51712, 'hotplug-status')).toBeUndefined();
    handler.answer = async () => ({});
    devices.lookAgain();
    await xen.settle();
    expect(node(16, 51712, 'hotplug-status')).toBe('connected');
    devices.lookAgain();
    await xen.settle();
    expect(handler.events).toHaveLength(2);
  });

  it('is disconnected once when its node goes', async () => {
    await devices.start();
    await addDevice(16, 51712);
    await xen.settle();
    await maker.remove(`${HOME}/backend/vbd/16`);
    await xen.settle();
    expect(handler.events).toEqual(['connect 16/51712', 'disconnect 16/51712']);
  });

  it('is disconnected once when it is closed for good', async () => {
    await devices.start();
    await addDevice(16, 51712);
    await xen.settle();
    await writeAll(pathOf(16, 51712), { online: '0', state: '6' });
    await xen.settle();
    await maker.remove(pathOf(16, 51712));
    await xen.settle();
    expect(handler.events).toEqual(['connect 16/51712', 'disconnect 16/51712']);
  });

  it('stays connected when its front end closes and will come back', async () => {
    await devices.start();
    await addDevice(16, 51712);
    await xen.settle();
    await maker.write(`${pathOf(16, 51712)}/state`, '6');
    await xen.settle();
    await maker.write(`${pathOf(16, 51712)}/state`, '2');
    await xen.settle();
    expect(handler.events).toEqual(['connect 16/51712']);
  });

  it('of an earlier process is adopted, not connected anew', async () => {
    await addDevice(16, 51712, { state: '4', 'hotplug-status': 'connected' });
    await devices.start();
    expect(handler.events).toEqual(['adopt 16/51712']);
  });

  it('that an earlier process refused stays refused', async () => {
    await addDevice(16, 51712, { 'hotplug-status': 'error' });
    await devices.start();
    expect(handler.events).toEqual([]);
  });

  it('that went while it was being connected is not brought back', async () => {
    handler.answer = async () => {
      await maker.remove(pathOf(16, 51712));
      return { 'physical-device': '7:0' };
    };
    await devices.start();
    await addDevice(16, 51712);
    await xen.settle();
    expect(await maker.list(`${HOME}/backend/vbd/16`)).not.toContain('51712');
    expect(handler.events).toEqual(['connect 16/51712', 'disconnect 16/51712']);
  });

  it('that comes back under the same number is a new one', async () => {
    await devices.start();
    await addDevice(16, 51712);
    await xen.settle();
    await maker.remove(pathOf(16, 51712));
    await xen.settle();
    await addDevice(16, 51712);
    await xen.settle();
    expect(handler.events).toEqual(['connect 16/51712', 'disconnect 16/51712', 'connect 16/51712']);
  });
});

describe('a wrong device', () => {
  it.each([
    ['frontend-id', '17'],
    ['frontend', '/local/domain/17/device/vbd/51712'],
  ])('is refused if its %s names another domain, and its neighbour is served', async (name, value) => {
    await devices.start();
    await addDevice(16, 51712, { [name]: value });
    await addDevice(16, 51728);
    await xen.settle();
    expect(node(16, 51712, 'hotplug-status')).toBe('error');
    expect(node(16, 51712, 'hotplug-error')).toContain(name);
    expect(handler.events).toEqual(['connect 16/51728']);
  });

  it('is told why and is not asked for again', async () => {
    handler.answer = async () => {
      throw new Error('no such volume');
    };
    await devices.start();
    await addDevice(16, 51712);
    await xen.settle();
    devices.lookAgain();
    await xen.settle();
    expect(node(16, 51712, 'hotplug-error')).toBe('no such volume');
    expect(handler.events).toEqual(['connect 16/51712']);
    expect(log).toEqual(['vbd 16/51712: no such volume']);
  });

  it('is refused above the limit, until another one goes', async () => {
    await devices.start();
    for (const frontend of [16, 17, 18, 19]) await addDevice(frontend, 51712);
    await xen.settle();
    expect(node(19, 51712, 'hotplug-error')).toBe('more than 3 devices');
    await maker.remove(`${HOME}/backend/vbd/19`);
    await maker.remove(`${HOME}/backend/vbd/16`);
    await addDevice(20, 51712);
    await xen.settle();
    expect(node(20, 51712, 'hotplug-status')).toBe('connected');
  });

  it.each([
    ['016', '51712'],
    ['x', '51712'],
    ['32752', '51712'],
    ['16', '-1'],
    ['16', '536870912'],
  ])('at %s/%s is no device at all', async (frontend, id) => {
    await writeAll(pathOf(frontend, id), { state: '2' });
    await devices.start();
    await maker.write(`${pathOf(frontend, id)}/state`, '2');
    await xen.settle();
    expect(handler.events).toEqual([]);
  });
});

it('how many devices Linux has is said at the start and when it has changed, and only then', async () => {
  const said: (string | null)[] = [];
  await maker.watch(attachedNode(BLKBACK), async (path) => said.push(await maker.read(path)));
  await devices.start();
  await addDevice(16, 51712);
  await xen.settle();
  handler.count = 1;
  devices.lookAgain();
  devices.lookAgain();
  await xen.settle();
  expect(said).toEqual([null, '0', '1']);
});

it('stop() disconnects every device and leaves no watch', async () => {
  await devices.start();
  await addDevice(16, 51712);
  await addDevice(17, 51712);
  await xen.settle();
  await devices.stop();
  await addDevice(18, 51712);
  await xen.settle();
  expect(handler.events.slice(2)).toEqual(['disconnect 16/51712', 'disconnect 17/51712']);
  expect(xen.leftovers()).toEqual([]);
});
