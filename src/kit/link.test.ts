import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { MemoryXen } from '../xen/memory/memory-xen.ts';
import type { SharedRegion } from '../xen/ports.ts';
import type { MessageLink } from './link.ts';
import { acceptLinks } from './link-accept.ts';
import { linkNode, offerLink } from './link-offer.ts';
import { ringLink, TURN_BYTES_MAX } from './ring-link.ts';
import { rpcMethod, rpcPeer } from './rpc.ts';

const CLIENT = 16;
const SERVER = 4;
const link = { name: 'builder', server: SERVER };

async function linked(seed = 1) {
  const xen = new MemoryXen({ seed });
  const [client, server] = [xen.add(CLIENT), xen.add(SERVER)];
  const accepted: MessageLink[] = [];
  const acceptor = await acceptLinks(server, { name: link.name, client: CLIENT }, (end) => accepted.push(end));
  const offered = await offerLink(client, link);
  await xen.settle();
  const serverEnd = accepted[0];
  if (!serverEnd) throw new Error('no link was accepted');
  return { xen, client, server, acceptor, accepted, offered, serverEnd };
}

function received(end: MessageLink): Uint8Array[] {
  const messages: Uint8Array[] = [];
  end.onMessage((message) => messages.push(message));
  return messages;
}

describe('a link', () => {
  it('carries messages of every size in order, both ways, whatever the order of events', async () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.integer(), messages, messages, async (seed, there, back) => {
        const { xen, offered, serverEnd } = await linked(seed);
        const [atClient, atServer] = [received(offered), received(serverEnd)];
        for (const message of there) offered.send(message);
        for (const message of back) serverEnd.send(message);
        await xen.settle();
        expect(atServer).toEqual(there);
        expect(atClient).toEqual(back);
      }),
      { numRuns: 30 },
    );
  });

  it('an answer that a handler sends does not overtake, and messages keep their order around it', async () => {
    const { xen, offered, serverEnd } = await linked();
    serverEnd.onMessage((message) => serverEnd.send(message));
    const echoed = received(offered);
    const sent = Array.from({ length: 200 }, (_, index) => new Uint8Array(100).fill(index));
    for (const message of sent) offered.send(message);
    await xen.settle();
    expect(echoed).toEqual(sent);
  });

  it('what is sent before the server accepts waits for it', async () => {
    const xen = new MemoryXen();
    const [client, server] = [xen.add(CLIENT), xen.add(SERVER)];
    const offered = await offerLink(client, link);
    offered.send(Uint8Array.of(1, 2, 3));
    let messages: Uint8Array[] = [];
    await acceptLinks(server, { name: link.name, client: CLIENT }, (end) => {
      messages = received(end);
    });
    await xen.settle();
    expect(messages).toEqual([Uint8Array.of(1, 2, 3)]);
  });

  it('closing the offer closes the server end and leaves nothing on either side', async () => {
    const { xen, acceptor, offered, serverEnd } = await linked();
    let why = '';
    serverEnd.onClosed((reason) => (why = reason));
    offered.close();
    await xen.settle();
    expect(why).toBe('closed here');
    await acceptor.close();
    expect(xen.leftovers()).toEqual([]);
    expect(await xen.domain(CLIENT).xenstore.read('ennead/link/builder')).toBeNull();
  });

  it('a client that starts again gets a new link, and the old one is closed', async () => {
    const xen = new MemoryXen();
    const [client, server] = [xen.add(CLIENT), xen.add(SERVER)];
    // A process that is no more: nobody serves this end.
    const { refs } = client.grants.share(SERVER, 1, true);
    const port = client.eventChannels.allocUnbound(SERVER);
    await client.xenstore.write('ennead/link/builder', `ring-ref=${refs[0]} event-channel=${port}`);
    await client.xenstore.setPermissions('ennead/link/builder', [
      { domid: CLIENT, access: 'none' },
      { domid: SERVER, access: 'read' },
    ]);
    const accepted: MessageLink[] = [];
    await acceptLinks(server, { name: link.name, client: CLIENT }, (end) => accepted.push(end));
    await xen.settle();
    const whys: string[] = [];
    accepted[0]?.onClosed((why) => whys.push(why));
    const again = await offerLink(client, link);
    await xen.settle();
    expect([accepted.length, whys]).toEqual([2, ['closed here']]);
    const messages = received(accepted[1] as MessageLink);
    again.send(Uint8Array.of(9));
    await xen.settle();
    expect(messages).toEqual([Uint8Array.of(9)]);
  });

  it('a server that has started again wants no offer of before, and takes the next one', async () => {
    const xen = new MemoryXen();
    const [client, server] = [xen.add(CLIENT), xen.add(SERVER)];
    const offered = await offerLink(client, link);
    const whys: string[] = [];
    offered.onClosed((why) => whys.push(why));
    const accepted: MessageLink[] = [];
    const renewed = { name: link.name, client: CLIENT, renew: true };
    await acceptLinks(server, renewed, (end) => accepted.push(end));
    await xen.settle();
    expect([whys, accepted]).toEqual([['the server has closed the link'], []]);
    await offerLink(client, link);
    await xen.settle();
    expect(accepted).toHaveLength(1);
  });

  it('drained() resolves when the peer has taken everything, or when the link has closed', async () => {
    const xen = new MemoryXen();
    const [client, server] = [xen.add(CLIENT), xen.add(SERVER)];
    const offered = await offerLink(client, link);
    await offered.drained();
    offered.send(new Uint8Array(5000));
    let drained = false;
    void offered.drained().then(() => (drained = true));
    await xen.settle();
    expect(drained).toBe(false);
    await acceptLinks(server, { name: link.name, client: CLIENT }, (end) => received(end));
    await xen.settle();
    expect(drained).toBe(true);
    offered.close();
    await offered.drained();
  });

  it('a peer that writes without end lets others have their turn', async () => {
    const xen = new MemoryXen();
    const [client, server] = [xen.add(CLIENT), xen.add(SERVER)];
    const { region, refs } = client.grants.share(SERVER, 1, true);
    const port = client.eventChannels.allocUnbound(SERVER);
    const theirs = server.grants.map(CLIENT, refs, true);
    const local = server.eventChannels.bindInterdomain(CLIENT, port);
    let reads = 0;
    // As another processor would: whenever the ring is looked at, it is full of empty messages once more.
    const refilled: SharedRegion = {
      ...theirs,
      size: theirs.size,
      read: (offset, length) => theirs.read(offset, length),
      write: (offset, bytes) => theirs.write(offset, bytes),
      store32: (offset, value) => theirs.store32(offset, value),
      close: () => theirs.close(),
      load32: (offset) => {
        if (offset === 2052) region.store32(2052, (theirs.load32(2048) + 1024) >>> 0);
        reads += 1;
        return theirs.load32(offset);
      },
    };
    const end = ringLink(server.eventChannels, { role: 'server', peer: CLIENT, region: refilled, port: local });
    let messages = 0;
    end.onMessage(() => {
      messages += 1;
    });
    expect(messages).toBeGreaterThan(0);
    expect(messages).toBeLessThan(TURN_BYTES_MAX / 4);
    const before = reads;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(reads).toBeGreaterThan(before);
    end.close();
  });

  it('a server that stopped accepting opens no later offer', async () => {
    const { xen, client, acceptor, accepted } = await linked();
    await acceptor.close();
    await offerLink(client, link);
    await xen.settle();
    expect(accepted).toHaveLength(1);
  });

  it('an offer is no business of a third domain', async () => {
    const { xen } = await linked();
    const stranger = xen.add(17).xenstore;
    await expect(stranger.read(linkNode(CLIENT, 'builder'))).rejects.toMatchObject({
      code: 'EACCES',
    });
  });

  it('an impossible index closes the link, and an offer of nonsense makes none', async () => {
    const xen = new MemoryXen();
    const [client, server] = [xen.add(CLIENT), xen.add(SERVER)];
    const { region, refs } = client.grants.share(SERVER, 1, true);
    const port = client.eventChannels.allocUnbound(SERVER);
    const end = ringLink(server.eventChannels, {
      role: 'server',
      peer: CLIENT,
      region: server.grants.map(CLIENT, refs, true),
      port: server.eventChannels.bindInterdomain(CLIENT, port),
    });
    let why = '';
    end.onClosed((reason) => (why = reason));
    region.store32(2052, 1025);
    client.eventChannels.notify(port);
    await xen.settle();
    expect(why).toBe('bad ring index');
    await client.xenstore.write('ennead/link/builder', 'ring-ref=-1 event-channel=2');
    const log: string[] = [];
    const ends: MessageLink[] = [];
    await acceptLinks(
      server,
      { name: 'builder', client: CLIENT },
      (made) => ends.push(made),
      (line) => log.push(line),
    );
    await xen.settle();
    await client.xenstore.write('ennead/link/builder', 'ring-ref=4000 event-channel=2');
    await xen.settle();
    expect(ends).toEqual([]);
    expect(log.join()).toContain('EACCES');
  });

  it('carries JSON-RPC', async () => {
    const { offered, serverEnd } = await linked();
    rpcPeer(serverEnd, {
      double: rpcMethod(z.strictObject({ value: z.number() }), ({ value }) => ({ value: 2 * value })),
    });
    const client = rpcPeer(offered, {});
    expect(await client.call('double', { value: 21 })).toEqual({ value: 42 });
    client.close();
    await expect(client.call('double', { value: 1 })).rejects.toMatchObject({ code: 'closed' });
  });
});
