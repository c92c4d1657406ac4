import { expect, it } from 'vitest';
import { RPC_MESSAGE_BYTES_MAX } from '../../kit/rpc.ts';
import { PortError } from '../../xen/ports.ts';
import type { NodePermission, XenStore } from '../../xen/xenstore-port.ts';
import { StoreAccess } from './store-access.ts';

const OWNER: NodePermission[] = [{ domid: 5, access: 'none' }];

/** A store of `names` below `/top`, each with `value`; it counts its watches. */
function storeWith({ names = ['a'], value = '', refusal = '' } = {}) {
  const watched = { now: 0 };
  const store: Partial<XenStore> = {
    list: async (path) => (path === '/top' ? names : []),
    read: async () => value,
    permissions: async () => OWNER,
    write: async (path) => {
      if (refusal) throw new PortError(refusal, 'write', path);
    },
    watch: async () => {
      watched.now += 1;
      return async () => {
        watched.now -= 1;
      };
    },
  };
  return { access: new StoreAccess(store as XenStore, () => {}), watched };
}

it('shows a tree', async () => {
  const { access } = storeWith({ names: ['a', 'b'], value: 'x' });
  expect(await access.tree('/top', false)).toEqual({
    nodes: [
      { path: '/top/a', value: 'x', permissions: ['n5'] },
      { path: '/top/b', value: 'x', permissions: ['n5'] },
    ],
    more: false,
  });
});

it('shows a tree in parts that fit into a message, counted as the message will have it', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
  const { access } = storeWith({ names, value: '\u0001'.repeat(2048) });
  const seen: string[] = [];
  for (let more = true, further = false; more; further = true) {
    const part = await access.tree('/top', further);
    expect(JSON.stringify(part).length).toBeLessThan(RPC_MESSAGE_BYTES_MAX);
    seen.push(...part.nodes.map(({ path }) => path));
    more = part.more;
  }
  expect(seen).toEqual(names.map((name) => `/top/${name}`));
});

it('begins a tree again when it is asked to, and has nothing further of one that is over', async () => {
  const { access } = storeWith({ names: ['a'] });
  for (const further of [false, true, false])
    expect((await access.tree('/top', further)).nodes).toHaveLength(further ? 0 : 1);
});

it.each([
  ['ENOENT', 'no-node'],
  ['EACCES', 'not-allowed'],
  ['EPERM', 'not-allowed'],
  ['EINVAL', 'bad-config'],
  ['ENOSPC', 'refused'],
])('says of %s that it is %s', async (refusal, code) => {
  await expect(storeWith({ refusal }).access.write('/top/a', '')).rejects.toMatchObject({ code });
});

it('keeps a bounded number of watches, and none after its end, even of one that was being set', async () => {
  const { access, watched } = storeWith();
  const all = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => access.watch(`/top/${index}`)));
  expect(all.filter(({ status }) => status === 'rejected')).toHaveLength(4);
  access.close();
  await Promise.resolve();
  expect(watched.now).toBe(0);
  const late = storeWith();
  const setting = late.access.watch('/top');
  late.access.close();
  await setting;
  expect(late.watched.now).toBe(0);
});
