/** What every XenStore must do, whichever it is: the one in memory that other tests use, and the real one in its two VMs. */
import { describe, expect, it } from 'vitest';
import { guestLimits } from '../../src/contracts/xenstore-limits.ts';
import { decodeDomids, decodeLimits, decodeQuota, nodeBytes } from '../../src/contracts/xenstore-quota.ts';
import { MemoryXen } from '../../src/xen/memory/memory-xen.ts';
import type { XenStore } from '../../src/xen/xenstore-port.ts';
import { SplitStore } from '../sim/xenstore/split-store.ts';

interface Stores {
  readonly builder: XenStore;
  readonly guest: XenStore;
  readonly other: XenStore;
  readonly toolstack: XenStore;
  readonly xen: MemoryXen;
}

const inMemory = async (): Promise<Stores> => {
  const xen = new MemoryXen();
  const [builder, toolstack, guest, other] = [4, 5, 16, 17].map((domid) => xen.add(domid).xenstore);
  return { xen, builder: builder!, toolstack: toolstack!, guest: guest!, other: other! };
};

const split = async (): Promise<Stores> => {
  const store = SplitStore.start();
  const builder = store.builder();
  const guest = await store.addClient(builder, 16);
  const other = await store.addClient(builder, 17);
  return { xen: store.xen, builder, guest, other, toolstack: await store.addClient(builder, 5) };
};

const refuses = (operation: Promise<unknown>, code: string): Promise<void> =>
  expect(operation).rejects.toMatchObject({ code });

/** The home, and `domid` in it. */
const HOME_BYTES = nodeBytes('/local/domain/16', 0, 1) + nodeBytes('/local/domain/16/domid', 2, 1);

describe.each([
  ['the XenStore in memory', inMemory],
  ['XenStore-Logic and XenStore-State', split],
])('%s', (_, open) => {
  it('keeps values, resolves relative paths at the home, makes missing parents', async () => {
    const { builder, guest } = await open();
    await guest.write('device/vif/0/state', '1');
    expect(await builder.read('/local/domain/16/device/vif/0/state')).toBe('1');
    expect(await guest.read('device/vif')).toBe('');
    expect(await guest.read('device/vbd')).toBeNull();
    await guest.write('device/vif/0/state', 'ünïcode');
    expect(await guest.read('device/vif/0/state')).toBe('ünïcode');
  });

  it('lists children, of a node without any too, and of thousands', async () => {
    const { builder } = await open();
    const names = Array.from(
      { length: 700 },
      (_unused, index) => `a-rather-long-name-${String(index).padStart(4, '0')}`,
    );
    for (const name of names) await builder.write(`/many/${name}`, '');
    expect((await builder.list('/many'))?.sort()).toEqual(names);
    expect(await builder.list(`/many/${names[0]}`)).toEqual([]);
    expect(await builder.list('/none')).toBeNull();
  });

  it('removes with everything below; removing nothing is no error', async () => {
    const { guest } = await open();
    await guest.write('data/a/b', '1');
    await guest.remove('data');
    expect(await guest.read('data/a/b')).toBeNull();
    expect(await guest.list('data')).toBeNull();
    await guest.remove('data');
  });

  it('mkdir leaves what is there', async () => {
    const { guest } = await open();
    await guest.write('data', 'x');
    await guest.mkdir('data');
    await guest.mkdir('data/sub');
    expect([await guest.read('data'), await guest.read('data/sub')]).toEqual(['x', '']);
  });

  it('makes many nodes with their values and permissions, whatever was there, and tells who watches', async () => {
    const { builder, guest } = await open();
    await guest.write('data', 'old');
    const seen: string[] = [];
    await guest.watch('data', (path) => seen.push(path));
    const permissions = [{ domid: 4, access: 'none' } as const, { domid: 16, access: 'read' } as const];
    const data = '/local/domain/16/data';
    const parts = Array.from({ length: 200 }, (_unused, index) => `${data}/part-${index}`);
    await builder.make([data, ...parts].map((path) => ({ path, value: path.slice(-3), permissions })));
    expect([await guest.read('data'), await guest.read('data/part-199')]).toEqual(['ata', '199']);
    expect((await builder.list(data))?.length).toBe(200);
    expect(await builder.permissions(`${data}/part-0`)).toEqual(permissions);
    await refuses(guest.write('data/part-0', 'mine'), 'EACCES');
    expect(new Set(seen)).toEqual(new Set(['data', ...parts.map((path) => path.slice('/local/domain/16/'.length))]));
  });

  it('makes what is missing above a made node like what is there', async () => {
    const { builder } = await open();
    const guests = [{ domid: 16, access: 'none' }] as const;
    await builder.make([{ path: '/local/domain/16/a/b/c', value: '', permissions: [{ domid: 17, access: 'read' }] }]);
    expect(await builder.permissions('/local/domain/16/a/b')).toEqual(guests);
    expect(await builder.permissions('/local/domain/16/a')).toEqual(guests);
    expect(await builder.permissions('/local/domain/16/a/b/c')).toEqual([{ domid: 17, access: 'read' }]);
  });

  it('lets nobody make nodes who does not act as the owner of all of them', async () => {
    const { builder, guest, toolstack } = await open();
    const node = (path: string) => ({ path, value: 'x', permissions: [{ domid: 16, access: 'none' } as const] });
    await refuses(guest.make([node('/local/domain/16/data')]), 'EACCES');
    await toolstack.make([node('/local/domain/16/data')]);
    await refuses(builder.make([node('/fine'), node('/a b')]), 'EINVAL');
    expect(await builder.read('/fine')).toBeNull();
  });

  it('refuses malformed paths with EINVAL, and the root with EINVAL', async () => {
    const { builder, guest } = await open();
    for (const path of ['a//b', 'a/', '/a b', 'a:b', '']) await refuses(guest.read(path), 'EINVAL');
    await refuses(builder.remove('/'), 'EINVAL');
  });

  it('hides what a domain may not read, missing or not, and lets owners say who may', async () => {
    const { guest, other } = await open();
    await guest.write('data', 'x');
    await refuses(other.read('/local/domain/16/data'), 'EACCES');
    await refuses(other.read('/local/domain/16/missing'), 'EACCES');
    await refuses(other.list('/'), 'EACCES');
    await refuses(other.write('/local/domain/16/new', ''), 'EACCES');
    await refuses(other.remove('/local/domain/16/data'), 'EACCES');
    await refuses(other.setPermissions('/local/domain/16/data', [{ domid: 17, access: 'both' }]), 'EACCES');
    await guest.setPermissions('data', [
      { domid: 16, access: 'none' },
      { domid: 17, access: 'read' },
    ]);
    expect(await other.read('/local/domain/16/data')).toBe('x');
    expect(await other.permissions('/local/domain/16/data')).toEqual([
      { domid: 16, access: 'none' },
      { domid: 17, access: 'read' },
    ]);
    await refuses(other.write('/local/domain/16/data', 'y'), 'EACCES');
    await guest.setPermissions('data', [{ domid: 16, access: 'both' }]);
    await other.write('/local/domain/16/data', 'y');
    expect(await guest.read('data')).toBe('y');
  });

  it('tells who may make a node that it has no permissions yet, and nobody else', async () => {
    const { guest, other } = await open();
    const shared = '/local/domain/16/shared';
    const permissions = [{ domid: 17, access: 'none' }] as const;
    await refuses(other.setPermissions(`${shared}/x`, permissions), 'EACCES');
    await guest.write('shared', '');
    await guest.setPermissions('shared', [
      { domid: 16, access: 'none' },
      { domid: 17, access: 'both' },
    ]);
    await refuses(other.setPermissions(`${shared}/x`, permissions), 'ENOENT');
    await refuses(other.setPermissions(shared, permissions), 'EACCES');
  });

  it("a new node has its parent's permissions and belongs to its creator; only the privileged give nodes away", async () => {
    const { builder, guest, other } = await open();
    await builder.setPermissions('/local/domain/16', [
      { domid: 16, access: 'none' },
      { domid: 17, access: 'both' },
    ]);
    await other.write('/local/domain/16/from-17', '1');
    expect(await guest.permissions('x')).toBeNull();
    expect(await other.permissions('/local/domain/16/from-17')).toEqual([
      { domid: 17, access: 'none' },
      { domid: 17, access: 'both' },
    ]);
    await refuses(other.setPermissions('/local/domain/16/from-17', [{ domid: 16, access: 'none' }]), 'EPERM');
    await builder.setPermissions('/local/domain/16/from-17', [{ domid: 16, access: 'none' }]);
    expect(await guest.read('from-17')).toBe('1');
    await builder.write('/local/domain/16/by-builder', '1');
    expect((await builder.permissions('/local/domain/16/by-builder'))?.[0]).toEqual({ domid: 16, access: 'none' });
  });

  it('introducing and releasing is for the privileged', async () => {
    const { guest } = await open();
    await refuses(guest.introduce(18, 0, 1), 'EACCES');
    await refuses(guest.release(17), 'EACCES');
  });

  it('tells Toolstack what each domain uses, and nobody else', async () => {
    const { toolstack, builder, guest } = await open();
    for (const store of [builder, guest]) await refuses(store.control('quota'), 'EACCES');
    const unwatch = await guest.watch('a', () => {});
    await guest.write('a/b', '');
    const used = async () => decodeQuota(await toolstack.control('quota', '16'));
    // Its home, `domid` in it, and the two new ones.
    expect(await used()).toMatchObject({ domid: 16, nodes: 4, watches: 1, transactions: 0 });
    await unwatch();
    await guest.remove('a');
    expect(await used()).toEqual({
      domid: 16,
      nodes: 2,
      watches: 0,
      transactions: 0,
      outstanding: 0,
      memory: HOME_BYTES,
      events: 0,
    });
    expect(decodeDomids(await toolstack.control('domids'))).toEqual([4, 5, 16, 17]);
    await refuses(toolstack.control('quota', '99'), 'ENOENT');
    await refuses(toolstack.control('memreport'), 'EINVAL');
    await refuses(builder.control('domids'), 'EACCES');
    expect(await builder.control('starts', '3')).toMatch(/^[1-9]\d*$/);
    await refuses(builder.control('starts', '4'), 'EINVAL');
    await refuses(toolstack.control('starts', '3'), 'EACCES');
  });

  it('lets Toolstack set what guests may have, and nobody else', async () => {
    const { toolstack, builder, guest } = await open();
    const limits = async () => decodeLimits(await toolstack.control('quota'), await toolstack.control('quota-soft'));
    expect(await limits()).toEqual(guestLimits);
    await toolstack.control('quota', 'set', 'nodes', '5');
    await toolstack.control('quota-soft', 'set', 'memory', '70000');
    expect(await limits()).toEqual({ ...guestLimits, nodes: 5, 'memory-soft': 70000 });
    for (const store of [builder, guest]) await refuses(store.control('quota', 'set', 'nodes', '6'), 'EACCES');
    for (const wrong of [
      ['nodes', '0'],
      ['nodes', '16001'],
      ['files', '1'],
      ['memory-soft', '1'],
      ['outstanding', '2'],
      ['nodes'],
    ])
      await refuses(toolstack.control('quota', 'set', ...wrong), 'EINVAL');
    await refuses(toolstack.control('quota-soft', 'set', 'nodes', '1'), 'EINVAL');
  });

  describe('a watch', () => {
    it('fires at once, then for changes at and below its path, not beside it, and not after its end', async () => {
      const { xen, guest } = await open();
      const seen: string[] = [];
      const unwatch = await guest.watch('device', (path) => seen.push(path));
      await guest.write('device/vif', '1');
      await guest.write('devices', '1');
      await guest.write('device', '2');
      await guest.remove('device/vif');
      await xen.settle();
      expect(seen).toEqual(['device', 'device/vif', 'device', 'device/vif']);
      await unwatch();
      await guest.write('device', '3');
      await xen.settle();
      expect(seen).toHaveLength(4);
    });

    it('fires when its node goes with one above it', async () => {
      const { xen, guest } = await open();
      await guest.write('a/b/c', '1');
      const seen: string[] = [];
      await guest.watch('a/b', (path) => seen.push(path));
      await guest.watch('a/b/absent', (path) => seen.push(path));
      await xen.settle();
      seen.length = 0;
      await guest.remove('a');
      await xen.settle();
      expect(seen).toEqual(['a/b']);
    });

    it('tells nothing to those who may not read', async () => {
      const { xen, guest, other } = await open();
      const seen: string[] = [];
      await other.watch('/local/domain/16', (path) => seen.push(path));
      await guest.write('secret', '1');
      await guest.write('open', '1');
      await guest.setPermissions('open', [{ domid: 16, access: 'read' }]);
      await guest.write('open', '2');
      await guest.remove('open');
      await xen.settle();
      const open_ = '/local/domain/16/open';
      expect(seen).toEqual(['/local/domain/16', open_, open_, open_]);
    });

    it('waitFor() sees the value that comes, and gives up on time', async () => {
      const { xen, guest } = await open();
      const waiting = guest.waitFor('state', (value) => (value === '4' ? 'ready' : undefined), 1000);
      await guest.write('state', '3');
      await guest.write('state', '4');
      expect(await waiting).toBe('ready');
      const late = refuses(
        guest.waitFor('never', (value) => value ?? undefined, 1000),
        'ETIMEDOUT',
      );
      await xen.settle();
      await xen.clock.advance(1000);
      await late;
    });

    it('@releaseDomain and @introduceDomain are for the privileged', async () => {
      const { xen, builder, guest } = await open();
      const [seen, unseen]: [string[], string[]] = [[], []];
      await builder.watch('@releaseDomain', (path) => seen.push(path));
      await guest.watch('@releaseDomain', (path) => unseen.push(path));
      await xen.settle();
      xen.domains.shutdown(17, 'poweroff');
      await xen.settle();
      xen.domains.destroy(17);
      await xen.settle();
      expect(seen).toEqual(['@releaseDomain', '@releaseDomain', '@releaseDomain']);
      expect(unseen).toEqual(['@releaseDomain']);
    });
  });

  describe('a transaction', () => {
    it('is invisible until its end, sees itself, and fires its watches then', async () => {
      const { xen, builder, guest } = await open();
      const seen: string[] = [];
      await builder.watch('/local/domain/16/t', (path) => seen.push(path));
      await xen.settle();
      await guest.transaction(async (transaction) => {
        await transaction.write('t/a', '1');
        await transaction.write('t/b', '2');
        await transaction.remove('t/b');
        expect(await transaction.list('t')).toEqual(['a']);
        expect(await guest.read('t/a')).toBeNull();
        await xen.settle();
        expect(seen).toHaveLength(1);
      });
      await xen.settle();
      expect(await guest.read('t/a')).toBe('1');
      const t = '/local/domain/16/t';
      // Written and removed: of a node that changed twice its watchers are told once, at the end.
      expect(seen).toEqual([t, `${t}/a`, `${t}/b`]);
    });

    it('runs again when another has changed what it saw, and not when something else changed', async () => {
      const { builder, guest } = await open();
      await guest.write('counter', '1');
      let tries = 0;
      await guest.transaction(async (transaction) => {
        tries += 1;
        const value = Number(await transaction.read('counter'));
        await builder.write(`/elsewhere/${tries}`, '');
        if (tries === 1) await builder.write('/local/domain/16/counter', '10');
        await transaction.write('counter', String(value + 1));
      });
      expect([tries, await guest.read('counter')]).toEqual([2, '11']);
    });

    it('a child that appears is a change to those who listed', async () => {
      const { builder, guest } = await open();
      await guest.mkdir('list');
      let tries = 0;
      await guest.transaction(async (transaction) => {
        tries += 1;
        const count = (await transaction.list('list'))?.length ?? 0;
        if (tries === 1) await builder.write('/local/domain/16/list/new', '');
        await transaction.write('count', String(count));
      });
      expect([tries, await guest.read('count')]).toEqual([2, '1']);
    });

    it('leaves nothing when its body throws', async () => {
      const { guest } = await open();
      const failing = guest.transaction(async (transaction) => {
        await transaction.write('lost', '1');
        throw new Error('no');
      });
      await expect(failing).rejects.toThrow('no');
      expect(await guest.read('lost')).toBeNull();
    });

    it('gives up with EAGAIN when it conflicts without end', async () => {
      const { builder, guest } = await open();
      let tries = 0;
      const endless = guest.transaction(async (transaction) => {
        tries += 1;
        await transaction.read('counter');
        await builder.write('/local/domain/16/counter', String(tries));
        await transaction.write('mine', '');
      });
      await refuses(endless, 'EAGAIN');
      expect(tries).toBeGreaterThan(10);
    });
  });

  it('a closed client refuses', async () => {
    const { guest } = await open();
    guest.close();
    await refuses(guest.read('x'), 'ENOTCONN');
  });
});
