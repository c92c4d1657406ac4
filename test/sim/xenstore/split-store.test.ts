import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contracts/xenstore-limits.ts';
import { decodeQuota } from '../../../src/contracts/xenstore-quota.ts';
import { CONFLICTS_MAX } from '../../../src/services/xenstore-state/reservations.ts';
import { encodeStrings, messageTypes } from '../../../src/wire/xenstore-message.ts';
import type { PortError } from '../../../src/xen/ports.ts';
import type { XenStoreWriter } from '../../../src/xen/xenstore-port.ts';
import type { LinuxRing } from './linux-ring.ts';
import { rawClient } from './raw-client.ts';
import { SplitStore } from './split-store.ts';

const ERROR_OFFSET = 2072;
const REQUEST_PRODUCER = 2052;
const RESPONSE_CONSUMER = 2056;

async function withRawClient(domid = 16) {
  const store = SplitStore.start();
  const builder = store.builder();
  await store.addRing(builder, domid);
  const ring = store.ring(domid);
  return { store, builder, ring, client: rawClient(ring) };
}

describe('requests', () => {
  it('split at every byte are answered once each', async () => {
    const { store, client } = await withRawClient();
    const whole = client.packet(messageTypes.write, encodeStrings(['data'], encodeStrings(['value'])));
    for (let at = 1; at < whole.length; at += 1) {
      client.send(whole.subarray(0, at));
      await store.xen.settle();
      expect(client.received).toHaveLength(at - 1);
      client.send(whole.subarray(at));
      await store.xen.settle();
      expect(client.received).toHaveLength(at);
    }
    expect(new Set(client.texts())).toEqual(new Set(['OK']));
  });

  it('in a burst are answered all, in order', async () => {
    const { store, client } = await withRawClient();
    const count = 120;
    for (let index = 0; index < count; index += 1)
      client.send(client.packet(messageTypes.write, encodeStrings([`data/${index}`])));
    await store.xen.settle();
    expect(client.received.map(({ requestId }) => requestId)).toEqual(
      Array.from({ length: count }, (_, index) => index + 1),
    );
  });

  it('and answers larger than the ring go through', async () => {
    const { store, client } = await withRawClient(15);
    const value = new Uint8Array(2048).map((_, index) => index);
    client.send(client.packet(messageTypes.write, encodeStrings(['big'], value)));
    client.send(client.packet(messageTypes.read, encodeStrings(['big'])));
    client.send(client.packet(messageTypes.read, encodeStrings(['domid'])));
    await store.xen.settle();
    expect(client.received.map(({ type }) => type)).toEqual([messageTypes.write, messageTypes.read, messageTypes.read]);
    expect(client.received[1]?.payload).toEqual(value);
  });

  it.each([
    ['an unknown type', 99, '', 'ENOSYS'],
    ['a reserved type', 20, '', 'ENOSYS'],
    ['an answer', messageTypes.watchEvent, '', 'ENOSYS'],
    ['a path without its end', messageTypes.read, 'path', 'EINVAL'],
    ['two paths', messageTypes.read, 'a\0b\0', 'EINVAL'],
    ['no path', messageTypes.write, '', 'EINVAL'],
    ['a permission that is none', messageTypes.setPerms, 'a\0x16\0', 'EINVAL'],
    ['no permission', messageTypes.setPerms, 'a\0', 'EINVAL'],
    ['a watch without a token', messageTypes.watch, 'a\0', 'EINVAL'],
    ['a watch that is not there', messageTypes.unwatch, 'a\0token\0', 'ENOENT'],
    ['an end without a transaction', messageTypes.transactionEnd, 'T\0', 'ENOENT'],
    ['an end that is neither', messageTypes.transactionEnd, 'X\0', 'EINVAL'],
    ['a control request', messageTypes.control, 'help\0', 'EACCES'],
    ['an introduction', messageTypes.introduce, '17\x000\x005\0', 'EACCES'],
    ['a domain path of nonsense', messageTypes.getDomainPath, 'x\0', 'EINVAL'],
    ['a directory part without its offset', messageTypes.directoryPart, 'a\0', 'EINVAL'],
  ])('%s is an error', async (_, type, payload, error) => {
    const { store, client } = await withRawClient();
    client.send(client.packet(type, new TextEncoder().encode(payload)));
    await store.xen.settle();
    expect(client.received.map(({ type: answer }) => answer)).toEqual([messageTypes.error]);
    expect(client.texts()).toEqual([error]);
  });

  it('a directory part from far behind the last name is empty', async () => {
    const { store, client } = await withRawClient();
    client.send(client.packet(messageTypes.directoryPart, encodeStrings(['/local/domain/16', '999999999'])));
    await store.xen.settle();
    expect(client.texts()).toEqual([expect.stringMatching(/^\d+ $/)]);
  });

  it("in a transaction that is another domain's, or none, are refused", async () => {
    const { store, builder, client } = await withRawClient();
    await builder.transaction(async () => {
      for (const id of [1, 2, 3, 4])
        client.send(client.packet(messageTypes.write, encodeStrings(['x'], new Uint8Array(1)), id));
      await store.xen.settle();
    });
    expect(client.texts()).toEqual(['ENOENT', 'ENOENT', 'ENOENT', 'ENOENT']);
  });

  it('in a transaction that is none are refused for that, whatever else is wrong with them', async () => {
    const { store, client } = await withRawClient();
    for (const permissions of [['x'], Array(6).fill('n16'), Array(6).fill('x')])
      client.send(client.packet(messageTypes.setPerms, encodeStrings(['domid', ...permissions]), 7));
    client.send(client.packet(messageTypes.setPerms, encodeStrings(['domid', ...Array(6).fill('x')])));
    await store.xen.settle();
    expect(client.texts()).toEqual(['ENOENT', 'ENOENT', 'ENOENT', 'ENOSPC']);
  });

  it('of those who may not control domains are refused for that, whatever transaction they name', async () => {
    const { store, client } = await withRawClient();
    for (const type of [messageTypes.release, messageTypes.control])
      for (const id of [0, 1]) client.send(client.packet(type, encodeStrings(['17']), id));
    await store.xen.settle();
    expect(client.texts()).toEqual(['EACCES', 'EACCES', 'EACCES', 'EACCES']);
  });

  it('for the permissions of a node that is not there: only who may make it learns that', async () => {
    const { store, builder, client } = await withRawClient();
    await builder.write('/open', '');
    await builder.setPermissions('/open', [{ domid: 4, access: 'both' }]);
    await builder.write('/closed', '');
    for (const path of ['/open/x', '/closed/x', '/open', 'x'])
      client.send(client.packet(messageTypes.setPerms, encodeStrings([path, 'n16'])));
    await store.xen.settle();
    expect(client.texts()).toEqual(['ENOENT', 'EACCES', 'EACCES', 'ENOENT']);
  });

  it('a second watch with the same path and token is refused, the same path with another token is not', async () => {
    const { store, client } = await withRawClient();
    for (const token of ['one', 'one', 'two'])
      client.send(client.packet(messageTypes.watch, encodeStrings(['x', token])));
    await store.xen.settle();
    expect(client.texts()).toEqual(['OK', 'x one', 'EEXIST', 'OK', 'x two']);
  });

  it('a special path is no node: only its permissions are there to be set', async () => {
    const { store, client } = await withRawClient();
    client.send(client.packet(messageTypes.write, encodeStrings(['@other'], new Uint8Array(1))));
    client.send(client.packet(messageTypes.read, encodeStrings(['@releaseDomain'])));
    client.send(client.packet(messageTypes.setPerms, encodeStrings(['@releaseDomain', 'n16'])));
    await store.xen.settle();
    expect(client.texts()).toEqual(['EINVAL', 'EINVAL', 'EACCES']);
  });

  it('a token is bytes: what is no text comes back as it was', async () => {
    const { store, builder, client } = await withRawClient();
    const payload = Uint8Array.of(120, 0, 0xff, 0xc3, 0x80, 1, 0);
    client.send(client.packet(messageTypes.watch, payload));
    await store.xen.settle();
    await builder.write('/local/domain/16/x', '1');
    client.send(client.packet(messageTypes.unwatch, payload));
    await store.xen.settle();
    expect(client.received.map(({ type }) => type)).toEqual([
      messageTypes.watch,
      messageTypes.watchEvent,
      messageTypes.watchEvent,
      messageTypes.unwatch,
    ]);
    for (const event of client.received.slice(1, 3)) expect(event.payload).toEqual(payload);
  });

  it('reset watches ends watches and transactions', async () => {
    const { store, client } = await withRawClient();
    client.send(client.packet(messageTypes.watch, encodeStrings(['x', 'token'])));
    client.send(client.packet(messageTypes.transactionStart, encodeStrings([''])));
    await store.xen.settle();
    const transaction = Number(client.texts().at(-1));
    client.send(client.packet(messageTypes.resetWatches, encodeStrings([''])));
    client.send(client.packet(messageTypes.transactionEnd, encodeStrings(['T']), transaction));
    client.send(client.packet(messageTypes.write, encodeStrings(['x'])));
    await store.xen.settle();
    expect(client.texts().slice(-3)).toEqual(['OK', 'ENOENT', 'OK']);
  });
});

describe('a client that misbehaves', () => {
  it.each([
    ['an impossible request index', (ring: LinuxRing) => ring.region.store32(REQUEST_PRODUCER, 5000), 2],
    ['a request that is too long', (ring: LinuxRing) => ring.write(header(4097)), 3],
    [
      'an impossible response index',
      (ring: LinuxRing) => {
        ring.region.store32(RESPONSE_CONSUMER, 77);
        ring.write(header(0));
      },
      2,
    ],
  ])('with %s loses its connection, and nobody else notices', async (_, misbehave, error) => {
    const { store, builder, ring, client } = await withRawClient();
    const other = await store.addClient(builder, 17);
    client.send(client.packet(messageTypes.watch, encodeStrings(['x', 'token'])));
    await store.xen.settle();
    misbehave(ring);
    ring.notify();
    await store.xen.settle();
    expect(ring.region.load32(ERROR_OFFSET)).toBe(error);
    expect(store.log).toEqual(['domain 16 broke the protocol: connection lost']);
    await builder.write('/local/domain/16/x', '1');
    await other.write('x', '1');
    expect(await other.read('x')).toBe('1');
  });

  it('and is introduced again has a connection again', async () => {
    const { store, builder, ring } = await withRawClient();
    ring.region.store32(REQUEST_PRODUCER, 5000);
    ring.notify();
    await store.xen.settle();
    await builder.release(16);
    await builder.introduce(16, 0, store.storePortOf(16));
    // Who was released is a stranger.
    await expect(store.connect(16).write('x', '1')).rejects.toMatchObject({ code: 'EACCES' });
    await builder.mkdir('/local/domain/16');
    await builder.setPermissions('/local/domain/16', [{ domid: 16, access: 'none' }]);
    await store.connect(16).write('x', '1');
    expect(await builder.read('/local/domain/16/x')).toBe('1');
  });

  it('and does not read has its events bounded, and finds the answer and the last events when it reads again', async () => {
    const { store, builder, ring, client } = await withRawClient();
    client.send(client.packet(messageTypes.watch, encodeStrings(['x', 'token'])));
    await store.xen.settle();
    const before = client.received.length;
    ring.onReadable(null);
    for (let index = 0; index < 3000; index += 1) await builder.write(`/local/domain/16/x/${index}`, '');
    expect(store.log.at(-1)).toContain('events lost');
    expect(await builder.read('/local/domain/16/x/2999')).toBe('');
    const again = rawClient(ring);
    await store.xen.settle();
    expect(again.received.length).toBeGreaterThan(500);
    again.send(again.packet(messageTypes.read, encodeStrings(['domid'])));
    await store.xen.settle();
    expect(again.received.at(-1)?.type).toBe(messageTypes.read);
    expect(before).toBe(2);
  });

  it('and asks for more than its quota is told so', async () => {
    const { store, builder } = await withRawClient();
    const guest = store.connect(16);
    // Its home, `domid` and `n` are among the thousand.
    for (let index = 0; index < 997; index += 1) await guest.mkdir(`n/${index}`);
    await expect(guest.mkdir('one-more')).rejects.toMatchObject({ code: 'ENOSPC' });
    await guest.remove('n/0');
    await guest.mkdir('one-more');
    await expect(guest.write('one-more', 'x'.repeat(2049))).rejects.toMatchObject({ code: 'ENOSPC' });
    const many = Array.from({ length: 6 }, () => ({ domid: 16, access: 'none' as const }));
    await expect(guest.setPermissions('one-more', many)).rejects.toMatchObject({ code: 'ENOSPC' });
    for (let index = 0; index < 128; index += 1) await guest.watch(`w${index}`, () => undefined);
    await expect(guest.watch('w', () => undefined)).rejects.toMatchObject({ code: 'E2BIG' });
    const overfull = guest.transaction(async (transaction) => {
      await transaction.remove('n/1');
      await transaction.write('in', '');
      await transaction.write('too', '');
    });
    await expect(overfull).rejects.toMatchObject({ code: 'ENOSPC' });
    await builder.write('/local/domain/16/by-builder', '');
  });

  it('and fills more memory than its quota is told so, in transactions as well, and others are not', async () => {
    const { store, builder } = await withRawClient();
    const guest = store.connect(16);
    const large = 'x'.repeat(2048);
    const fill = async (target: XenStoreWriter, name: string): Promise<string> => {
      for (let index = 0; index < 400; index += 1) {
        const written = await target.write(`${name}/${index}`, large).catch((error: PortError) => error.code);
        if (written !== undefined) return `${written} after ${index}`;
      }
      return 'never';
    };
    const full = guest.transaction(async (transaction) => {
      throw new Error(await fill(transaction, 'transaction'));
    });
    await expect(full).rejects.toThrow(/^ENOMEM after 10\d$/);
    expect(await fill(guest, 'direct')).toMatch(/^ENOMEM after 11\d$/);
    await expect(guest.write('one-more', large)).rejects.toMatchObject({ code: 'ENOMEM' });
    await builder.write('/local/domain/16/by-builder', large);
    const other = await store.addClient(builder, 17);
    await other.write('own', large);
    await guest.remove('direct/0');
    await guest.remove('direct/1');
    await guest.write('one-more', large);
  });

  it('and reads what is not there, by long paths, in transactions, fills no more than its memory', async () => {
    const { store, builder, client } = await withRawClient();
    client.send(client.packet(messageTypes.transactionStart, encodeStrings([''])));
    await store.xen.settle();
    const transaction = Number(client.texts().at(-1));
    for (let count = 0; count < 200; count += 1)
      client.send(client.packet(messageTypes.read, encodeStrings([`${'n/'.repeat(900)}${count}`]), transaction));
    await store.xen.settle();
    expect(new Set(client.texts().slice(1))).toEqual(new Set(['ENOENT', 'ENOMEM']));
    expect(await builder.read('/local/domain/16/domid')).toBe('16');
  });

  it('and has one answer outstanding is not served before it has taken it, and its events are bounded', async () => {
    const { store, builder, ring, client } = await withRawClient();
    const toolstack = await store.addClient(builder, 5);
    const counts = async () => decodeQuota(await toolstack.control('quota', '16'));
    await builder.make([{ path: '/watched', value: '', permissions: [{ domid: 4, access: 'read' }] }]);
    client.send(client.packet(messageTypes.watch, encodeStrings(['/watched', 'token'])));
    await builder.write('/local/domain/16/large', 'x'.repeat(2000));
    await store.xen.settle();
    ring.onReadable(null);
    for (let time = 0; time < 3; time += 1) client.send(client.packet(messageTypes.read, encodeStrings(['large'])));
    client.send(client.packet(messageTypes.write, encodeStrings(['later'])));
    await store.xen.settle();
    expect(await counts()).toMatchObject({ outstanding: 1 });
    expect(await builder.read('/local/domain/16/later')).toBeNull();
    for (let index = 0; index < 3000; index += 1) await builder.write(`/watched/by-the-guest/${index}`, '');
    const { events } = (await counts())!;
    expect(events).toBeGreaterThan(limits.events.max - 100);
    expect(events).toBeLessThanOrEqual(limits.events.max);
  });

  it('and opens too many transactions is told so', async () => {
    const { store, client } = await withRawClient();
    for (let index = 0; index < 11; index += 1)
      client.send(client.packet(messageTypes.transactionStart, encodeStrings([''])));
    await store.xen.settle();
    expect(client.texts().filter((text) => text === 'ENOSPC')).toHaveLength(1);
    expect(client.texts().at(-1)).toBe('ENOSPC');
  });
});

describe('a client that asks for a new conversation', () => {
  const CONNECTION = 2068;
  const reconnect = async (store: SplitStore, ring: LinuxRing): Promise<void> => {
    ring.region.store32(CONNECTION, 1);
    ring.notify();
    await store.xen.settle();
    expect(ring.region.load32(CONNECTION)).toBe(0);
  };

  it('finds empty rings, and neither watches nor transactions of the former one', async () => {
    const { store, builder, ring, client } = await withRawClient();
    client.send(client.packet(messageTypes.watch, encodeStrings(['x', 'token'])));
    client.send(client.packet(messageTypes.transactionStart, encodeStrings([''])));
    await store.xen.settle();
    const transaction = Number(client.texts().at(-1));
    client.send(client.packet(messageTypes.write, encodeStrings(['x'])).subarray(0, 9));
    await store.xen.settle();
    ring.onReadable(null);
    for (let index = 0; index < 200; index += 1) await builder.write(`/local/domain/16/x/${index}`, '');
    await reconnect(store, ring);
    expect([2048, 2052, 2056, 2060].map((offset) => ring.region.load32(offset))).toEqual([0, 0, 0, 0]);
    const again = rawClient(ring);
    again.send(again.packet(messageTypes.transactionEnd, encodeStrings(['T']), transaction));
    again.send(again.packet(messageTypes.read, encodeStrings(['domid'])));
    await builder.write('/local/domain/16/x/more', '');
    await store.xen.settle();
    expect(again.texts()).toEqual(['ENOENT', '']);
    expect(new TextDecoder().decode(again.received[1]?.payload)).toBe('16');
  });

  it('has a connection again after it had broken the protocol', async () => {
    const { store, ring } = await withRawClient();
    ring.region.store32(REQUEST_PRODUCER, 5000);
    ring.notify();
    await store.xen.settle();
    expect(ring.region.load32(ERROR_OFFSET)).not.toBe(0);
    await reconnect(store, ring);
    expect(ring.region.load32(ERROR_OFFSET)).toBe(0);
    const again = rawClient(ring);
    again.send(again.packet(messageTypes.read, encodeStrings(['domid'])));
    await store.xen.settle();
    expect(again.received.map(({ type }) => type)).toEqual([messageTypes.read]);
  });
});

describe('domains', () => {
  it('that die are forgotten: unmapped, their watches gone, their domid free', async () => {
    const { store, builder } = await withRawClient();
    const guest = store.connect(16);
    await guest.watch('x', () => undefined);
    const released: string[] = [];
    await builder.watch('@releaseDomain', (path) => released.push(path));
    store.xen.domains.shutdown(16, 'crash');
    await store.xen.settle();
    store.xen.domains.shutdown(16, 'crash');
    await store.xen.settle();
    expect(released).toHaveLength(2);
    store.xen.domains.destroy(16);
    await store.xen.settle();
    expect(released).toHaveLength(3);
    expect(store.xen.domains.info(16)).toBeNull();
    expect(await builder.read('/local/domain/16')).toBeNull();
    const successor = await store.addClient(builder, 16);
    await successor.write('x', '1');
    expect(await builder.read('/local/domain/16/x')).toBe('1');
  });

  it('that watch below a removed node are told of what is below first', async () => {
    const { store, builder } = await withRawClient();
    await builder.write('/top/a/b', 'x');
    await builder.write('/top/c', 'x');
    const told: string[] = [];
    for (const path of ['/top', '/top/a', '/top/a/b', '/top/c']) await builder.watch(path, (seen) => told.push(seen));
    await store.xen.settle();
    told.length = 0;
    await builder.remove('/top');
    await store.xen.settle();
    expect(told).toEqual(['/top/a/b', '/top/a', '/top/c', '/top']);
  });

  it('that die take along what they own, with everything below, and who watches it is told', async () => {
    const { store, builder } = await withRawClient();
    const [guest, other] = [store.connect(16), await store.addClient(builder, 17)];
    const home = '/local/domain/16';
    await guest.write('own/deep/er', 'x');
    await builder.write(`${home}/own/of-builder`, 'x');
    await builder.setPermissions(`${home}/own/of-builder`, [{ domid: 4, access: 'read' }]);
    await builder.write('/shared/of-16', 'x');
    await builder.setPermissions('/shared/of-16', [{ domid: 16, access: 'read' }]);
    const told: string[] = [];
    await builder.watch('/shared', (path) => told.push(path));
    await other.watch(`${home}/own/of-builder`, (path) => told.push(path));
    await builder.watch('@releaseDomain', (path) => told.push(path));
    await guest.watch('own', (path) => told.push(`${path} to the dead`));
    await store.xen.settle();
    told.length = 0;
    store.xen.domains.destroy(16);
    await store.xen.settle();
    expect(await builder.list(home)).toBeNull();
    expect(await builder.list('/shared')).toEqual([]);
    expect(told.sort()).toEqual([`${home}/own/of-builder`, '/shared/of-16', '@releaseDomain'].sort());
  });

  it('that die own nothing that a transaction could still write below', async () => {
    const { store, builder } = await withRawClient();
    let tries = 0;
    await builder.transaction(async (transaction) => {
      tries += 1;
      await transaction.read('/local/domain/16/domid');
      await transaction.write('/result', 'x');
      if (tries === 1) store.xen.domains.destroy(16);
      await store.xen.settle();
    });
    expect(tries).toBe(2);
  });

  it('that die stay named where others own the node, which means nobody, and no successor', async () => {
    const { store, builder } = await withRawClient();
    await store.addClient(builder, 17);
    await builder.write('/shown', 'to 16');
    const permissions = [
      { domid: 17, access: 'none' },
      { domid: 16, access: 'both' },
    ] as const;
    await builder.setPermissions('/shown', permissions);
    expect(await store.connect(16).read('/shown')).toBe('to 16');
    store.xen.domains.destroy(16);
    await store.xen.settle();
    expect(await builder.permissions('/shown')).toEqual(permissions);
    const successor = await store.addClient(builder, 16);
    await expect(successor.read('/shown')).rejects.toMatchObject({ code: 'EACCES' });
    await builder.setPermissions('/shown', permissions);
    expect(await successor.read('/shown')).toBe('to 16');
  });

  it('that die and owned the root leave it to Builder', async () => {
    const { store, builder } = await withRawClient();
    await builder.setPermissions('/', [{ domid: 16, access: 'read' }]);
    store.xen.domains.destroy(16);
    await store.xen.settle();
    expect(await builder.permissions('/')).toEqual([{ domid: 4, access: 'read' }]);
  });

  it('that are not there are named in vain, also when they come later; as the owner they are an error', async () => {
    const { store, builder } = await withRawClient();
    const guest = store.connect(16);
    await guest.write('shown', 'x');
    const permissions = [
      { domid: 16, access: 'none' },
      { domid: 17, access: 'read' },
    ] as const;
    await guest.setPermissions('shown', permissions);
    expect(await guest.permissions('shown')).toEqual(permissions);
    const other = await store.addClient(builder, 17);
    await expect(other.read('/local/domain/16/shown')).rejects.toMatchObject({ code: 'EACCES' });
    await builder.write('/of-18', '');
    const owned = [{ domid: 18, access: 'none' }] as const;
    await expect(builder.setPermissions('/of-18', owned)).rejects.toMatchObject({ code: 'ENOENT' });
    const made = builder.make([{ path: '/of-18', value: '', permissions: owned }]);
    await expect(made).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that were named before they were introduced have their rights, and their end is noticed', async () => {
    const { store, builder } = await withRawClient();
    store.prepare(17);
    await builder.make([
      { path: '/of-17', value: 'x', permissions: [{ domid: 17, access: 'none' }] },
      { path: '/of-17/for-16', value: 'x', permissions: [{ domid: 16, access: 'none' }] },
    ]);
    const released: string[] = [];
    await builder.watch('@releaseDomain', (path) => released.push(path));
    await store.xen.settle();
    store.xen.domains.destroy(17);
    await store.xen.settle();
    expect(await builder.read('/of-17')).toBeNull();
    // As with xenstored: who was never introduced is not released.
    expect(released).toEqual(['@releaseDomain']);
  });

  it('that die while a transaction names them are a conflict of it', async () => {
    const { store, builder } = await withRawClient();
    await store.addClient(builder, 17);
    await builder.write('/shown', '');
    let tries = 0;
    await builder.transaction(async (transaction) => {
      tries += 1;
      await transaction.setPermissions('/shown', [
        { domid: 4, access: 'none' },
        { domid: 17, access: 'read' },
      ]);
      if (tries === 1) store.xen.domains.destroy(17);
      await store.xen.settle();
    });
    expect(tries).toBe(2);
    const successor = await store.addClient(builder, 17);
    await expect(successor.read('/shown')).rejects.toMatchObject({ code: 'EACCES' });
  });

  // Where xenstored says ENOENT: here homes, with the permissions of all services, are written before the services' domains are there.
  it('that are services may be named before they are built', async () => {
    const { store, builder } = await withRawClient();
    await builder.make([{ path: '/of-6', value: 'x', permissions: [{ domid: 6, access: 'none' }] }]);
    const service = await store.addClient(builder, 6);
    expect(await service.read('/of-6')).toBe('x');
  });

  it('that are services have their rights again when they are built again', async () => {
    const { store, builder } = await withRawClient();
    await store.addClient(builder, 6);
    await builder.write('/shown', 'to 6');
    await builder.setPermissions('/shown', [
      { domid: 4, access: 'none' },
      { domid: 6, access: 'read' },
    ]);
    store.xen.domains.destroy(6);
    await store.xen.settle();
    const again = await store.addClient(builder, 6);
    expect(await again.read('/shown')).toBe('to 6');
  });

  it('that nobody can map are not introduced', async () => {
    const { builder } = await withRawClient();
    await expect(builder.introduce(20, 0, 1)).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(builder.release(20)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(builder.introduce(4, 0, 1)).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(builder.release(4)).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('that act for a target have its rights', async () => {
    const { store, builder } = await withRawClient();
    const [guest, model] = [store.connect(16), await store.addClient(builder, 17)];
    await guest.write('data', 'x');
    await expect(model.read('/local/domain/16/data')).rejects.toMatchObject({ code: 'EACCES' });
    const client = rawClient(store.ring(4));
    client.send(client.packet(messageTypes.setTarget, encodeStrings(['17', '16'])));
    await store.xen.settle();
    expect(client.texts()).toEqual(['OK']);
    expect(await model.read('/local/domain/16/data')).toBe('x');
  });

  it("Toolstack is the owner of guests' nodes but not of Builder's", async () => {
    const { store, builder } = await withRawClient();
    const toolstack = await store.addClient(builder, 5);
    await toolstack.write('/local/domain/16/device/vif/0', '1');
    await toolstack.setPermissions('/local/domain/16/device/vif/0', [{ domid: 16, access: 'none' }]);
    for (const path of ['/local/domain/4/x', '/local/domain/1/x', '/ennead/trust/16'])
      await expect(toolstack.write(path, '1')).rejects.toMatchObject({ code: 'EACCES' });
    await expect(toolstack.introduce(18, 0, 1)).rejects.toMatchObject({ code: 'EACCES' });
    await toolstack.watch('@releaseDomain', () => undefined);
  });
});

const header = (length: number): Uint8Array => {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, length, true);
  return bytes;
};

describe('restarts', () => {
  it.each(['before', 'meanwhile'] as const)('Logic may start %s State', async (logicStarts) => {
    const store = SplitStore.start({ logicStarts });
    const builder = store.builder();
    await builder.write('/a', '1');
    expect(await builder.read('/a')).toBe('1');
    expect(store.startsOfLogic).toBe(1);
  });

  it('a Logic that has nothing to do lets go of the pages of a State that has ended', async () => {
    const store = SplitStore.start();
    await store.xen.settle();
    store.restartState();
    await store.xen.settle();
    expect(store.startsOfLogic).toBe(2);
  });

  it('counts how often its two programs were started', async () => {
    const store = SplitStore.start();
    const builder = store.builder();
    const starts = () => Promise.all(['2', '3'].map((domid) => builder.control('starts', domid)));
    expect(await starts()).toEqual(['1', '1']);
    store.stopLogic();
    store.rebuildLogic();
    expect(await starts()).toEqual(['1', '2']);
    store.endStateAfter(1);
    await builder.write('/x', '1');
    // With State, Logic starts again: what it had mapped is not what State shows now.
    expect(await starts()).toEqual(['2', '3']);
  });

  it('a rebuilt Logic finds contents, connections and watches, and requests that came meanwhile', async () => {
    const { store, builder } = await withRawClient();
    const guest = store.connect(16);
    await guest.write('x', '1');
    const seen: string[] = [];
    await guest.watch('x', (path) => seen.push(path));
    await store.xen.settle();
    store.stopLogic();
    const pending = guest.write('x', '2');
    await store.xen.settle();
    store.rebuildLogic();
    await pending;
    await builder.write('/local/domain/16/x', '3');
    await store.xen.settle();
    expect(await guest.read('x')).toBe('3');
    expect(seen).toEqual(['x', 'x', 'x']);
  });

  it('a request to State that was cut short disturbs no later one', async () => {
    const { store, builder } = await withRawClient();
    store.leaveGarbageOnStateLink();
    await builder.write('/a', '1');
    expect(await builder.read('/a')).toBe('1');
  });
});

describe('fairness', () => {
  it('a client gets its transaction through among others that write all the time', async () => {
    const { store, builder } = await withRawClient();
    const [slow, fast] = [store.connect(16), await store.addClient(builder, 17)];
    await builder.write('/local/domain/16/shared', '0');
    await builder.setPermissions('/local/domain/16/shared', [
      { domid: 16, access: 'none' },
      { domid: 17, access: 'both' },
    ]);
    let over = false;
    const writing = (async () => {
      for (let count = 0; !over; count += 1) await fast.write('/local/domain/16/shared', String(count));
    })();
    let tries = 0;
    await slow.transaction(async (transaction) => {
      tries += 1;
      await transaction.read('shared');
      for (let step = 0; step < 5; step += 1) await transaction.write(`own/${step}`, '');
    });
    over = true;
    await writing;
    expect(tries).toBe(CONFLICTS_MAX + 1);
    expect(await slow.list('own')).toHaveLength(5);
  });

  it('a transaction is nothing to nodes that its client may not read', async () => {
    const { store, builder, client } = await withRawClient();
    const other = await store.addClient(builder, 17);
    client.send(client.packet(messageTypes.transactionStart, encodeStrings([''])));
    await store.xen.settle();
    const transaction = Number(client.texts().at(-1));
    client.send(client.packet(messageTypes.read, encodeStrings(['/local/domain/17/x']), transaction));
    await store.xen.settle();
    await other.write('x', 'changed');
    client.send(client.packet(messageTypes.transactionEnd, encodeStrings(['T']), transaction));
    await store.xen.settle();
    expect(client.texts().slice(-2)).toEqual(['EACCES', 'OK']);
  });

  it('a client that begins such a transaction and does not end it holds nobody up for long', async () => {
    const { store, builder, client } = await withRawClient();
    const other = await store.addClient(builder, 17);
    await builder.write('/shared', '0');
    await builder.setPermissions('/shared', [{ domid: 17, access: 'both' }]);
    for (let round = 0; round <= CONFLICTS_MAX; round += 1) {
      client.send(client.packet(messageTypes.transactionStart, encodeStrings([''])));
      await store.xen.settle();
      const transaction = Number(client.texts().at(-1));
      client.send(client.packet(messageTypes.read, encodeStrings(['/shared']), transaction));
      await store.xen.settle();
      if (round === CONFLICTS_MAX) break;
      await other.write('/shared', String(round));
      client.send(client.packet(messageTypes.transactionEnd, encodeStrings(['T']), transaction));
    }
    let written = false;
    const writing = other.write('/shared', 'at last').then(() => {
      written = true;
    });
    await store.xen.clock.advance(1500);
    expect(written).toBe(false);
    await store.xen.clock.advance(1000);
    await writing;
    expect(await builder.read('/shared')).toBe('at last');
  });
});

describe('cost', () => {
  it('a read does not cross to State, a write once', async () => {
    const { store, builder } = await withRawClient();
    const counted = async (operation: () => Promise<unknown>): Promise<number> => {
      const before = store.crossings;
      await operation();
      await store.xen.settle();
      return store.crossings - before;
    };
    await builder.write('/a', '1');
    expect(await counted(() => builder.read('/a'))).toBe(0);
    expect(await counted(() => builder.write('/a', '2'))).toBe(1);
  });
});
