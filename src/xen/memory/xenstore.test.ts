import { describe, expect, it } from 'vitest';
import { MemoryXen } from './memory-xen.ts';

const setUp = () => {
  const xen = new MemoryXen();
  return { xen, builder: xen.add(4).xenstore, guest: xen.add(16).xenstore, other: xen.add(17).xenstore };
};

describe('MemoryXenStore', () => {
  it('resolves relative paths at the home, reads what was written, lists sorted names', async () => {
    const { guest, builder } = setUp();
    await guest.write('device/vif/0/state', '1');
    await guest.write('device/vbd/51712/state', '1');
    expect(await builder.read('/local/domain/16/device/vif/0/state')).toBe('1');
    expect(await guest.list('device')).toEqual(['vbd', 'vif']);
    expect(await guest.read('nothing')).toBeNull();
    await guest.remove('device');
    await guest.remove('device');
    expect(await guest.list('device')).toBeNull();
  });

  it('a domain sees nothing of another home, until the owner grants it', async () => {
    const { guest, other } = setUp();
    await guest.write('data', 'x');
    await expect(other.read('/local/domain/16/data')).rejects.toMatchObject({ code: 'EACCES' });
    await guest.setPermissions('data', [
      { domid: 16, access: 'none' },
      { domid: 17, access: 'read' },
    ]);
    expect(await other.read('/local/domain/16/data')).toBe('x');
    await expect(other.write('/local/domain/16/data', 'y')).rejects.toMatchObject({ code: 'EACCES' });
    await expect(other.introduce(18, 0, 1)).rejects.toMatchObject({ code: 'EACCES' });
  });

  it('a watch fires at once, for changes below, for the loss of its node, and not after it ended', async () => {
    const { xen, guest } = setUp();
    const seen: string[] = [];
    const unwatch = await guest.watch('device', (path) => seen.push(path));
    await guest.write('device/vif', '1');
    await guest.write('devices', '1');
    await guest.remove('device/vif');
    await xen.settle();
    expect(seen).toEqual(['device', 'device/vif', 'device/vif']);
    await unwatch();
    await guest.write('device/vif', '2');
    await xen.settle();
    expect(seen).toHaveLength(3);
    expect(xen.leftovers()).toEqual([]);
  });

  it('a transaction that saw what another has changed runs again; an exception leaves nothing', async () => {
    const { guest, builder } = setUp();
    await guest.write('counter', '1');
    let tries = 0;
    await guest.transaction(async (transaction) => {
      tries += 1;
      const value = Number(await transaction.read('counter'));
      if (tries === 1) await builder.write('/local/domain/16/counter', '10');
      await transaction.write('counter', String(value + 1));
    });
    expect([tries, await guest.read('counter')]).toEqual([2, '11']);
    const failing = guest.transaction(async (transaction) => {
      await transaction.write('counter', 'lost');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await guest.read('counter')).toBe('11');
  });

  it('waitFor() resolves on the value and rejects with ETIMEDOUT on the clock', async () => {
    const { xen, guest } = setUp();
    const waiting = guest.waitFor('state', (value) => (value === '4' ? 'ready' : undefined), 1000);
    await guest.write('state', '3');
    await guest.write('state', '4');
    expect(await waiting).toBe('ready');
    const late = guest.waitFor('never', (value) => value ?? undefined, 1000);
    const refused = expect(late).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await xen.clock.advance(1000);
    await refused;
    expect(xen.leftovers()).toEqual([]);
    expect(xen.clock.timersLeft).toBe(0);
  });

  it('tells privileged watchers that a domain came or went', async () => {
    const { xen, builder } = setUp();
    const seen: string[] = [];
    await builder.watch('@releaseDomain', (path) => seen.push(path));
    await builder.introduce(20, 1, 2);
    xen.domains.shutdown(16, 'poweroff');
    await xen.settle();
    expect(seen).toEqual(['@releaseDomain', '@releaseDomain']);
  });
});
