import { expect, test } from 'vitest';
import { startsNode } from '../../contracts/builder.ts';
import type { GuestConfig } from '../../contracts/toolstack.ts';
import type { ShutdownReason } from '../../xen/ports.ts';
import { BOOT_WATCH_MS, SETTLE_MS } from './boot-watch.ts';
import { RESTART_WINDOW_MS, RESTARTS_MAX } from './guests.ts';
import { STORAGE, TOOLSTACK } from './testing/fake-back-ends.ts';
import type { FakeGuest } from './testing/fake-builder.ts';
import { SimulatedHost } from './testing/simulated-host.ts';

const config = (changes: Partial<GuestConfig> = {}): GuestConfig => ({
  name: 'web',
  memoryMib: 128,
  vcpus: 1,
  boot: { type: 'pv', kernel: 'pvgrub', cmdline: '' },
  disks: [],
  vifs: [],
  onPoweroff: 'destroy',
  onReboot: 'restart',
  onCrash: 'destroy',
  ...changes,
});
const withDevices = { disks: [{ vdev: 'xvda', volume: 'root', access: 'w' as const }], vifs: [{}] };

async function host(): Promise<SimulatedHost> {
  const simulated = new SimulatedHost();
  simulated.backEnds.volumes.set('root', new Uint8Array(4096));
  return simulated;
}

test('a guest with devices runs, and when it is destroyed nothing of it is left', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const before = simulated.xen.leftovers();
  const { domid } = await simulated.during(toolstack.createGuest(config(withDevices)));
  expect(simulated.xen.domains.info(domid)).toMatchObject({ running: true });
  expect(simulated.traces(domid).length).toBeGreaterThan(50);
  await simulated.during(toolstack.guests.destroy('web'));
  expect(simulated.xen.domains.info(domid)).toBeNull();
  expect(simulated.traces(domid)).toEqual([]);
  expect(simulated.xen.leftovers()).toEqual(before);
});

test('twenty guests in a row leave no domain, channel, mapping, watch or node behind', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const before = simulated.xen.leftovers();
  for (let round = 0; round < 20; round += 1) {
    const { domid } = await simulated.during(toolstack.createGuest(config(withDevices)));
    await simulated.during(toolstack.guests.destroy(domid));
  }
  expect(simulated.xen.leftovers()).toEqual(before);
  expect(
    Object.keys(simulated.xen.xenstore.dump()).filter((path) => /guests\/|\/vm\/|backend\/v.*\//.test(path)),
  ).toEqual([]);
});

test('a second guest of the same name is refused and the first goes on', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  await simulated.during(toolstack.createGuest(config()));
  await expect(toolstack.createGuest(config())).rejects.toMatchObject({ code: 'guest-exists' });
  expect(simulated.guest('web')).toBeDefined();
});

test.each([
  [
    'a volume that does not exist',
    { disks: [{ vdev: 'xvda', volume: 'none', access: 'w' as const }] },
    'volume-missing',
  ],
  ['two disks of one name', { disks: [withDevices.disks[0]!, withDevices.disks[0]!] }, 'bad-config'],
  [
    'two names of one disk number',
    { disks: [withDevices.disks[0]!, { vdev: 'xvda0', volume: 'root', access: 'r' as const }] },
    'bad-config',
  ],
  ['an unknown kernel', { boot: { type: 'pv' as const, kernel: 'windows', cmdline: '' } }, 'unknown-image'],
])('create refuses %s and leaves nothing', async (_name, changes, code) => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const before = simulated.xen.leftovers();
  await expect(simulated.during(toolstack.createGuest(config(changes)))).rejects.toMatchObject({ code });
  expect(toolstack.guests.all()).toEqual([]);
  expect(simulated.xen.leftovers()).toEqual(before);
});

test('a volume that another guest writes to is refused, one that both only read is not', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  await simulated.during(toolstack.createGuest(config(withDevices)));
  const reader = { name: 'reader', disks: [{ vdev: 'xvda', volume: 'root', access: 'r' as const }] };
  await expect(toolstack.createGuest(config(reader))).rejects.toMatchObject({ code: 'volume-busy' });
  await simulated.during(toolstack.guests.destroy('web'));
  await simulated.during(toolstack.createGuest(config(reader)));
  await simulated.during(toolstack.createGuest(config({ ...reader, name: 'reader2' })));
  expect(toolstack.guests.all().map(({ name }) => name)).toEqual(['reader', 'reader2']);
});

test('a device that its back end refuses fails the creation with the reason, and nothing is left', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const before = simulated.xen.leftovers();
  simulated.backEnds.refusal = 'the loop devices are used up';
  await expect(simulated.during(toolstack.createGuest(config(withDevices)))).rejects.toMatchObject({
    code: 'guest-not-booting',
    message: 'guest web: the loop devices are used up',
  });
  expect(simulated.traces(16)).toEqual([]);
  expect(simulated.xen.leftovers()).toEqual(before);
});

test('driver VMs that do not answer hold nobody up for ever', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const { domid } = await simulated.during(toolstack.createGuest(config(withDevices)));
  simulated.backEnds.silent = true;
  await simulated.during(toolstack.guests.destroy('web'));
  expect(simulated.traces(domid)).toEqual([]);
  expect(simulated.log.some((line) => line.includes(`domain ${STORAGE} did not close vbd 51712 in time`))).toBe(true);
});

const PANIC = 'Kernel panic - not syncing: no root';

/** Shows its devices or not, says its last words, and ends. */
const ending =
  (simulated: SimulatedHost, reason: ShutdownReason, comesUp: boolean) =>
  async ({ console, domid, connect }: FakeGuest): Promise<void> => {
    if (comesUp) for (const kind of ['vbd', 'vif'] as const) await connect(kind);
    console.print(`${PANIC}\r\n`);
    simulated.xen.domains.shutdown(domid, reason);
  };

test.each([
  ['crashes before its devices work', 'crash', false],
  ['crashes when its devices work', 'crash', true],
  ['is ended by its watchdog', 'watchdog', true],
  ['powers off before its devices work', 'poweroff', false],
  ['reboots before its devices work', 'reboot', false],
] as const)(
  'a guest that %s is reported with its last line, and nothing of it is left',
  async (_name, reason, comesUp) => {
    const simulated = await host();
    const toolstack = await simulated.toolstack();
    // The first guest of all leaves the empty folders of its kinds of device.
    await simulated.during(toolstack.createGuest(config(withDevices)));
    await simulated.during(toolstack.guests.destroy('web'));
    const before = { held: simulated.xen.leftovers(), nodes: simulated.xen.xenstore.dump() };
    simulated.builder.boot = ending(simulated, reason, comesUp);
    const restarting = config({ ...withDevices, onCrash: 'restart', onReboot: 'restart' });
    await expect(simulated.during(toolstack.createGuest(restarting))).rejects.toMatchObject({
      code: 'guest-not-booting',
      message: `guest web ended while it started (${reason}); it said last: ${PANIC}`,
    });
    expect(toolstack.guests.all()).toEqual([]);
    expect(toolstack.guests.volumeUser('root', 'w')).toBeNull();
    expect(simulated.builder.specs.size).toBe(0);
    expect({ held: simulated.xen.leftovers(), nodes: simulated.xen.xenstore.dump() }).toEqual(before);
  },
);

test('a guest that crashes while it starts is preserved where it says so, and reported as well', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  simulated.builder.boot = ending(simulated, 'crash', true);
  await expect(
    simulated.during(toolstack.createGuest(config({ ...withDevices, onCrash: 'preserve' }))),
  ).rejects.toMatchObject({
    code: 'guest-not-booting',
    message: `guest web ended while it started (crash) and is preserved; it said last: ${PANIC}`,
  });
  expect(toolstack.guests.find('web').record?.phase).toBe('preserved');
  expect(toolstack.guests.find('web').console.lastLine()).toBe(PANIC);
});

test('a guest that comes up and rests is answered for at once, one that works on later', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const took = async (name: string): Promise<number> => {
    const startMs = simulated.xen.clock.nowMs();
    await simulated.during(toolstack.createGuest(config({ name })));
    return simulated.xen.clock.nowMs() - startMs;
  };
  simulated.busy.add('busy');
  expect(await took('resting')).toBeLessThan(SETTLE_MS / 2);
  const busyMs = await took('busy');
  expect(busyMs).toBeGreaterThanOrEqual(SETTLE_MS);
  expect(busyMs).toBeLessThan(BOOT_WATCH_MS);
});

test('PV GRUB is not asked to connect a network card', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  simulated.builder.boot = ({ connect }) => connect('vbd');
  const startMs = simulated.xen.clock.nowMs();
  await simulated.during(toolstack.createGuest(config({ ...withDevices })));
  expect(simulated.xen.clock.nowMs() - startMs).toBeLessThan(SETTLE_MS);
});

test('a guest that shows nothing is slow, not broken: it runs on, and its later crash is a crash', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const watches = simulated.xen.xenstore.watchesLeft;
  simulated.builder.boot = () => {};
  const slow = config({ ...withDevices, boot: { type: 'pv', kernel: 'core', cmdline: '' }, onCrash: 'restart' });
  const { domid } = await simulated.during(toolstack.createGuest(slow));
  expect(simulated.xen.domains.info(domid)).toMatchObject({ running: true });
  expect(simulated.xen.xenstore.watchesLeft).toBe(watches);
  simulated.xen.domains.shutdown(domid, 'crash');
  await simulated.pass(3_000);
  expect(toolstack.guests.find('web').record).toMatchObject({ phase: 'running', domid: domid + 1 });
});

test('a guest that has done its work at once and powers off is not broken', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  simulated.builder.boot = ending(simulated, 'poweroff', true);
  await simulated.during(toolstack.createGuest(config(withDevices)));
  await simulated.pass(1_000);
  expect(toolstack.guests.all()).toEqual([]);
});

test('whoever destroys a guest that still starts ends its creation too', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const before = simulated.xen.leftovers();
  simulated.builder.boot = () => {};
  const creation = toolstack.createGuest(config(withDevices));
  const refused = expect(creation).rejects.toMatchObject({ code: 'guest-not-booting' });
  await simulated.pass(1_000);
  await simulated.during(toolstack.guests.destroy('web'));
  await refused;
  expect(simulated.xen.leftovers()).toEqual(before);
});

test('a guest that powers off is destroyed, or preserved where it says so', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  await simulated.during(toolstack.createGuest(config()));
  const kept = await simulated.during(toolstack.createGuest(config({ name: 'kept', onPoweroff: 'preserve' })));
  for (const name of ['web', 'kept']) simulated.xen.domains.shutdown(simulated.guest(name).domid, 'poweroff');
  await simulated.pass(1_000);
  expect(toolstack.guests.all().map(({ name, record }) => [name, record?.phase])).toEqual([['kept', 'preserved']]);
  expect(simulated.xen.domains.info(kept.domid)).toMatchObject({ shutdown: 'poweroff' });
  await expect(toolstack.guests.pause('kept')).rejects.toMatchObject({ code: 'guest-state' });
});

test('a guest that reboots comes back with a new domid, the same UUID and the same address', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const first = await simulated.during(toolstack.createGuest(config(withDevices)));
  const { uuid, vifs } = toolstack.guests.find('web').config;
  simulated.xen.domains.shutdown(first.domid, 'reboot');
  await simulated.pass(3_000);
  const second = toolstack.guests.find('web').record!;
  expect(second.domid).not.toBe(first.domid);
  expect(second.config).toMatchObject({ uuid, vifs });
  expect(simulated.guest('web').spec.uuid).toBe(uuid);
  expect(simulated.traces(first.domid).filter((path) => !path.startsWith('/vm/'))).toEqual([]);
});

test('a guest that keeps on rebooting is given up; one that reboots now and then is not', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  await simulated.during(toolstack.createGuest(config()));
  for (let round = 0; round < RESTARTS_MAX + 2; round += 1) {
    simulated.xen.domains.shutdown(simulated.guest('web').domid, 'reboot');
    await simulated.pass(20_000);
  }
  await simulated.pass(RESTART_WINDOW_MS);
  for (let round = 0; round < RESTARTS_MAX; round += 1) {
    expect(toolstack.guests.find('web').record?.phase).toBe('running');
    simulated.xen.domains.shutdown(simulated.guest('web').domid, 'reboot');
    await simulated.pass(500);
  }
  simulated.xen.domains.shutdown(simulated.guest('web').domid, 'reboot');
  await simulated.pass(500);
  expect(toolstack.guests.all()).toEqual([]);
});

test('shutdown with wait answers when the guest is gone, and says so when it does not go', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  await simulated.during(toolstack.createGuest(config()));
  await expect(simulated.during(toolstack.guests.askToEnd('web', 'poweroff', true))).rejects.toMatchObject({
    code: 'guest-timeout',
  });
  await simulated.obeyShutdown();
  await simulated.during(toolstack.guests.askToEnd('web', 'poweroff', true));
  expect(toolstack.guests.all()).toEqual([]);
});

test('a paused guest is not asked for anything, because it cannot hear', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  await simulated.during(toolstack.createGuest(config()));
  await toolstack.guests.pause('web');
  await expect(toolstack.guests.askToEnd('web', 'poweroff', false)).rejects.toMatchObject({ code: 'guest-state' });
  await expect(toolstack.guests.sysrq('web', 'h')).rejects.toMatchObject({ code: 'guest-state' });
});

test('a guest that is reset, paused or not, ends at once, and its on_reboot says what follows', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const first = await simulated.during(toolstack.createGuest(config()));
  const kept = await simulated.during(toolstack.createGuest(config({ name: 'kept', onReboot: 'preserve' })));
  await toolstack.guests.pause('web');
  for (const name of ['web', 'kept']) await simulated.during(toolstack.guests.reset(name));
  await simulated.pass(1_000);
  expect(toolstack.guests.find('web').record).toMatchObject({ phase: 'running', domid: kept.domid + 1 });
  expect(simulated.xen.domains.info(first.domid)).toBeNull();
  expect(toolstack.guests.find('kept').record).toMatchObject({ phase: 'preserved', domid: kept.domid });
  await expect(toolstack.guests.reset('kept')).rejects.toMatchObject({ code: 'guest-state' });
});

test('a paravirtual guest gets its SysRq where its system listens for it', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  const { domid } = await simulated.during(toolstack.createGuest(config()));
  await simulated.during(toolstack.guests.sysrq(domid, 't'));
  expect(simulated.xen.xenstore.dump()[`/local/domain/${domid}/control/sysrq`]).toBe('t');
});

test('stopping the host shuts guests down, destroys the deaf ones, and tells Builder last', async () => {
  const simulated = await host();
  const toolstack = await simulated.toolstack();
  await simulated.during(toolstack.createGuest(config(withDevices)));
  await simulated.during(toolstack.createGuest(config({ name: 'deaf' })));
  const { domid } = simulated.guest('web');
  const orders = simulated.xen.domain(TOOLSTACK).xenstore;
  await orders.watch(`/local/domain/${domid}/control/shutdown`, async (path) => {
    if ((await orders.read(path)) === 'poweroff') simulated.xen.domains.shutdown(domid, 'poweroff');
  });
  await simulated.during(toolstack.shutDownHost());
  expect(simulated.builder.specs.size).toBe(0);
  expect(simulated.builder.hostStopped).toBe(true);
  await expect(toolstack.createGuest(config())).rejects.toMatchObject({ code: 'refused' });
});

test('guests outlive a restart of the Toolstack process, consoles included, and the restart is counted', async () => {
  const simulated = await host();
  const first = await simulated.toolstack();
  const { domid } = await simulated.during(first.createGuest(config(withDevices)));
  first.guests.find('web').console.detach();
  const second = await simulated.toolstack();
  expect(second.guests.all()).toMatchObject([{ name: 'web', record: { domid, phase: 'running' } }]);
  expect(simulated.xen.xenstore.dump()[startsNode(TOOLSTACK)]).toBe('2');
  simulated.guest('web').console.print('still here\r\n');
  await simulated.pass();
  expect(second.guests.find('web').console.lastLine()).toBe('still here');
  await simulated.during(second.guests.destroy('web'));
  expect(simulated.traces(domid)).toEqual([]);
});

test('what an interrupted creation has left is removed at the next start', async () => {
  const simulated = await host();
  const first = await simulated.toolstack();
  const { domid } = await simulated.during(first.createGuest(config(withDevices)));
  first.guests.find('web').console.detach();
  const store = simulated.xen.domain(TOOLSTACK).xenstore;
  const record = JSON.parse((await store.read(`ennead/guests/${domid}`))!);
  await store.write(`ennead/guests/${domid}`, JSON.stringify({ ...record, phase: 'building' }));
  const unknown = await simulated.builder.createGuest({ ...simulated.guest('web').spec, name: 'unknown' });
  await store.write('ennead/guests/77', '{"domid":77}');
  const second = await simulated.toolstack();
  expect(second.guests.all()).toEqual([]);
  expect(simulated.builder.specs.has(unknown.domid)).toBe(false);
  expect(simulated.traces(domid)).toEqual([]);
  expect(await store.read('ennead/guests/77')).toBeNull();
});
