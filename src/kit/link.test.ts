import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { MemoryXen } from '../xen/memory/memory-xen.ts';
import type { MessageLink } from './link.ts';
import { acceptLinks } from './link-accept.ts';
import { linkNode, offerLink } from './link-offer.ts';
import { ringLink } from './ring-link.ts';
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
    const { xen, client, accepted } = await linked();
    const again = await offerLink(client, link);
    await xen.settle();
    expect(accepted).toHaveLength(2);
    const messages = received(accepted[1] as MessageLink);
    again.send(Uint8Array.of(9));
    await xen.settle();
    expect(messages).toEqual([Uint8Array.of(9)]);
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
