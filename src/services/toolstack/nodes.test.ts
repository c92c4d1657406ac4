import { expect, test } from 'vitest';
import type { NewNode } from '../../xen/xenstore-port.ts';
import { vdevNumber } from './device-numbers.ts';
import { deviceNodes, diskDevice, vifDevice } from './devices.ts';
import { guestNodes } from './guest-nodes.ts';
import { settle } from './identity.ts';

const TOOLSTACK = 5;

/** `path = value (permissions)`, as `xenstore-ls -p` would show it. */
const shown = (nodes: readonly NewNode[]): string[] =>
  nodes.map(({ path, value, permissions }) => {
    const words = permissions.map(({ domid, access }) => `${access[0]}${domid}`);
    return `${path} = "${value}" (${words.join(',')})`;
  });

const config = settle(
  {
    name: 'web',
    uuid: '01234567-89ab-4def-8123-456789abcdef',
    memoryMib: 128,
    vcpus: 2,
    boot: { type: 'pv', kernel: 'pvgrub', cmdline: '' },
    disks: [],
    vifs: [],
    onPoweroff: 'destroy',
    onReboot: 'restart',
    onCrash: 'destroy',
  },
  (length) => new Uint8Array(length),
);
const built = { domid: 16, deviceModel: null, consoleGfn: 70, consolePort: 2, storeGfn: 71, storePort: 1 };

test("a guest's home", () => {
  expect(shown(guestNodes(config, built, TOOLSTACK))).toEqual([
    '/local/domain/16 = "" (n5,r16)',
    '/vm/01234567-89ab-4def-8123-456789abcdef = "" (n5,r16)',
    '/vm/01234567-89ab-4def-8123-456789abcdef/uuid = "01234567-89ab-4def-8123-456789abcdef" (n5,r16)',
    '/vm/01234567-89ab-4def-8123-456789abcdef/name = "web" (n5,r16)',
    '/vm/01234567-89ab-4def-8123-456789abcdef/image = "" (n5,r16)',
    '/vm/01234567-89ab-4def-8123-456789abcdef/image/ostype = "linux" (n5,r16)',
    '/local/domain/16/vm = "/vm/01234567-89ab-4def-8123-456789abcdef" (n5,r16)',
    '/local/domain/16/name = "web" (n5,r16)',
    '/local/domain/16/domid = "16" (n5,r16)',
    '/local/domain/16/cpu = "" (n5,r16)',
    '/local/domain/16/cpu/0 = "" (n5,r16)',
    '/local/domain/16/cpu/0/availability = "online" (n5,r16)',
    '/local/domain/16/cpu/1 = "" (n5,r16)',
    '/local/domain/16/cpu/1/availability = "online" (n5,r16)',
    '/local/domain/16/memory = "" (n5,r16)',
    '/local/domain/16/memory/static-max = "131072" (n5,r16)',
    '/local/domain/16/memory/target = "131072" (n5,r16)',
    '/local/domain/16/device = "" (n5,r16)',
    '/local/domain/16/device/suspend = "" (n5,r16)',
    '/local/domain/16/control = "" (n5,r16)',
    '/local/domain/16/control/platform-feature-multiprocessor-suspend = "1" (n5,r16)',
    '/local/domain/16/control/platform-feature-xs_reset_watches = "1" (n5,r16)',
    '/local/domain/16/control/shutdown = "" (n5,b16)',
    '/local/domain/16/control/feature-poweroff = "" (n5,b16)',
    '/local/domain/16/control/feature-reboot = "" (n5,b16)',
    '/local/domain/16/control/feature-suspend = "" (n5,b16)',
    '/local/domain/16/control/sysrq = "" (n5,b16)',
    '/local/domain/16/device/suspend/event-channel = "" (n5,b16)',
    '/local/domain/16/data = "" (n5,b16)',
    '/local/domain/16/drivers = "" (n5,b16)',
    '/local/domain/16/feature = "" (n5,b16)',
    '/local/domain/16/attr = "" (n5,b16)',
    '/local/domain/16/error = "" (n5,b16)',
    '/local/domain/16/store = "" (n5,r16)',
    '/local/domain/16/store/port = "1" (n5,r16)',
    '/local/domain/16/store/ring-ref = "71" (n5,r16)',
    '/local/domain/16/console = "" (n5,r16)',
    '/local/domain/16/console/type = "xenconsoled" (n5,r16)',
    '/local/domain/16/console/output = "pty" (n5,r16)',
    '/local/domain/16/console/limit = "1048576" (n5,r16)',
    '/local/domain/16/console/port = "2" (n5,r16)',
    '/local/domain/16/console/ring-ref = "70" (n5,r16)',
  ]);
});

test('both ends of a disk', () => {
  const disk = diskDevice(16, 6, { vdev: 'xvda', volume: 'root', access: 'w' });
  const front = '/local/domain/16/device/vbd/51712';
  const back = '/local/domain/6/backend/vbd/16/51712';
  expect(shown(deviceNodes(disk, TOOLSTACK))).toEqual([
    `${front} = "" (n5,b16,r6)`,
    `${front}/backend = "${back}" (n5,b16,r6)`,
    `${front}/backend-id = "6" (n5,b16,r6)`,
    `${front}/trusted = "1" (n5,b16,r6)`,
    `${front}/virtual-device = "51712" (n5,b16,r6)`,
    `${front}/device-type = "disk" (n5,b16,r6)`,
    `${front}/state = "1" (n5,b16,r6)`,
    `${back} = "" (n5,b6,r16,b5)`,
    `${back}/frontend = "${front}" (n5,b6,r16,b5)`,
    `${back}/frontend-id = "16" (n5,b6,r16,b5)`,
    `${back}/online = "1" (n5,b6,r16,b5)`,
    `${back}/params = "root" (n5,b6,r16,b5)`,
    `${back}/dev = "xvda" (n5,b6,r16,b5)`,
    `${back}/mode = "w" (n5,b6,r16,b5)`,
    `${back}/type = "phy" (n5,b6,r16,b5)`,
    `${back}/device-type = "disk" (n5,b6,r16,b5)`,
    `${back}/removable = "0" (n5,b6,r16,b5)`,
    `${back}/bootable = "1" (n5,b6,r16,b5)`,
    `${back}/discard-enable = "1" (n5,b6,r16,b5)`,
    `${back}/hotplug-status = "" (n5,b6,r16,b5)`,
    `${back}/hotplug-error = "" (n5,b6,r16,b5)`,
    `${back}/state = "1" (n5,b6,r16,b5)`,
  ]);
});

test('a network interface says its address at both ends and its bridge at one', () => {
  const vif = shown(deviceNodes(vifDevice(16, 7, 0, { mac: '00:16:3e:00:00:01', bridge: 'xenbr0' }), TOOLSTACK));
  expect(vif).toContain('/local/domain/16/device/vif/0/mac = "00:16:3e:00:00:01" (n5,b16,r7)');
  expect(vif).toContain('/local/domain/7/backend/vif/16/0/mac = "00:16:3e:00:00:01" (n5,b7,r16,b5)');
  expect(vif).toContain('/local/domain/7/backend/vif/16/0/bridge = "xenbr0" (n5,b7,r16,b5)');
  expect(vif.filter((line) => line.includes('bridge'))).toHaveLength(1);
});

test.each([
  ['xvda', 51712],
  ['xvda1', 51713],
  ['xvdb', 51728],
  ['xvdp15', 51967],
  ['xvdq', 268439552],
  ['xvdz1', 268441857],
  ['sda', 2048],
  ['sdb3', 2067],
  ['hda', 768],
  ['hdb1', 833],
  ['hdc', 5632],
  ['hdd', 5696],
  ['xvda16', null],
  ['xvda0', null],
  ['xvda01', null],
  ['sdq', null],
  ['hde', null],
  ['vda', null],
  ['xvdA', null],
])('%s is virtual disk %s', (name, number) => {
  expect(vdevNumber(name)).toBe(number);
});

test('a chosen address is in the lower half of the Xen range, a chosen UUID has version 4', () => {
  const { uuid, vifs } = settle({ ...config, uuid: undefined as never, vifs: [{}] }, (length) =>
    new Uint8Array(length).fill(0xff),
  );
  expect(vifs).toEqual([{ mac: '00:16:3e:7f:ff:ff', bridge: 'xenbr0' }]);
  expect(uuid).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
});
