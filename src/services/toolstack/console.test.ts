import { expect, test } from 'vitest';
import { BACKLOG_BYTES_MAX, INPUT_BYTES_MAX } from './console.ts';
import { TOOLSTACK } from './testing/fake-back-ends.ts';
import { SimulatedHost } from './testing/simulated-host.ts';

async function runningGuest() {
  const host = new SimulatedHost();
  host.builder.boot = () => {};
  const toolstack = await host.toolstack();
  const before = host.xen.leftovers();
  const config = {
    name: 'web',
    memoryMib: 64,
    vcpus: 1,
    boot: { type: 'pv' as const, kernel: 'core', cmdline: '' },
    disks: [],
    vifs: [],
  };
  const actions = { onPoweroff: 'destroy', onReboot: 'restart', onCrash: 'destroy' } as const;
  await host.during(toolstack.createGuest({ ...config, ...actions }));
  return { host, toolstack, before, guest: host.guest('web'), console: toolstack.guests.find('web').console };
}

/** What one watcher has heard. */
function ears() {
  const heard = { text: '', ended: null as string | null };
  const watcher = {
    output: (bytes: Uint8Array) => {
      heard.text += new TextDecoder().decode(bytes);
    },
    ended: (reason: string) => {
      heard.ended = reason;
    },
  };
  return { heard, watcher };
}

test('every watcher hears everything, latecomers the backlog first', async () => {
  const { host, guest, console } = await runningGuest();
  const [early, late] = [ears(), ears()];
  console.watch(early.watcher);
  guest.console.print('one ');
  await host.pass();
  console.watch(late.watcher);
  guest.console.print('two');
  await host.pass();
  expect([early.heard.text, late.heard.text]).toEqual(['one two', 'one two']);
});

test('a guest that prints without end fills no memory: the backlog keeps the last of it', async () => {
  const { host, guest, console } = await runningGuest();
  const lines = Math.ceil((BACKLOG_BYTES_MAX * 1.5) / 1000);
  for (let line = 0; line < lines; line += 1) {
    guest.console.print(`${String(line).padStart(999, '.')}\n`);
    await host.xen.settle();
  }
  const { heard, watcher } = ears();
  console.watch(watcher);
  expect(heard.text.length).toBe(BACKLOG_BYTES_MAX);
  expect(heard.text.endsWith(`${lines - 1}\n`)).toBe(true);
  expect(console.lastLine()).toMatch(/^\.+$/);
});

test('input for a guest that does not read is bounded, and comes when it reads', async () => {
  const { host, guest, console } = await runningGuest();
  expect(console.write(new Uint8Array(INPUT_BYTES_MAX).fill(97))).toBe(true);
  expect(console.write(new Uint8Array(INPUT_BYTES_MAX).fill(98))).toBe(false);
  let read = '';
  for (let round = 0; round < 40; round += 1) {
    read += guest.console.readAll();
    await host.xen.settle();
  }
  expect(read.slice(0, INPUT_BYTES_MAX)).toBe('a'.repeat(INPUT_BYTES_MAX));
  expect(read.length).toBeLessThanOrEqual(INPUT_BYTES_MAX + 1024);
});

test('a guest that breaks its ring loses its console, and nothing else happens', async () => {
  const { host, toolstack, before, guest, console } = await runningGuest();
  const { heard, watcher } = ears();
  console.watch(watcher);
  guest.console.page.store32(3084, 0x7fff_ffff);
  guest.console.print('');
  await host.pass();
  expect(heard.ended).toBe('the guest has broken its console ring');
  expect(host.log.at(-1)).toBe('console of domain 16: impossible ring indices, not served any more');
  expect(console.write(new Uint8Array(1))).toBe(false);
  await host.during(toolstack.guests.destroy('web'));
  expect(host.xen.leftovers()).toEqual(before);
});

test('lastLine() carries no control characters to the operator', async () => {
  const { host, guest, console } = await runningGuest();
  guest.console.print('\x1b]0;evil\x07\x1b[2Jboom\r\n');
  await host.pass();
  expect(console.lastLine()).toBe(']0;evil[2Jboom');
});

test('lastLine() of a Linux that has panicked is its panic', async () => {
  const { host, guest, console } = await runningGuest();
  guest.console.print(
    '[1.6] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[1.6] Kernel Offset: disabled\r\n',
  );
  await host.pass();
  expect(console.lastLine()).toBe('[1.6] Kernel panic - not syncing: VFS: Unable to mount root fs');
});

test('the end of a guest ends its watchers and unmaps its page', async () => {
  const { host, toolstack, before, console } = await runningGuest();
  const { heard, watcher } = ears();
  console.watch(watcher);
  await host.during(toolstack.guests.destroy('web'));
  expect(heard.ended).toBe('the guest is gone: destroyed');
  expect(host.xen.leftovers()).toEqual(before);
  expect(host.xen.domain(TOOLSTACK)).toBeDefined();
});
