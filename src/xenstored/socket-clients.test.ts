import { expect, test } from 'vitest';
import { FIRST_GUEST_DOMID } from '../contracts/domids.ts';
import { streamPair } from '../xen/memory/byte-stream.ts';
import { MemoryXen } from '../xen/memory/memory-xen.ts';
import { PortError } from '../xen/ports.ts';
import { CLIENTS_MAX, SocketClients } from './socket-clients.ts';

/** What happens to clients, in order, and what is open. */
function surroundings({ refuse = false } = {}) {
  const xen = new MemoryXen({ seed: 1 });
  xen.domains.create({
    kind: 'pv',
    domid: 1,
    context: 'x',
    uuid: new Uint8Array(16),
    vcpus: 1,
    memoryMib: 1,
    iommu: false,
  });
  const happened: string[] = [];
  const open = { pages: new Set<number>(), ports: new Set<number>() };
  let lastPort = 0;
  const clients = new SocketClients({
    store: {
      introduce: async (domid) => {
        if (refuse) throw new PortError('EINVAL', 'introduce', 'no');
        happened.push(`introduce ${domid}`);
      },
      release: async (domid) => void happened.push(`release ${domid}`),
    },
    eventChannels: {
      allocUnbound: () => {
        lastPort += 1;
        open.ports.add(lastPort);
        return lastPort;
      },
      unbind: (port) => void open.ports.delete(port),
      notify: () => {},
      onEvent: () => {},
    },
    pages: {
      make: (domid) => {
        open.pages.add(domid);
        return xen.domain(1).grants.share(1, 1, true).region;
      },
      remove: (domid) => void open.pages.delete(domid),
    },
    log: (line) => happened.push(line),
  });
  return { clients, happened, open };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

test('a connection is introduced, and released when its client goes; nothing stays open', async () => {
  const { clients, happened, open } = surroundings();
  const [client, socket] = streamPair();
  clients.accept(socket);
  await settled();
  expect([happened, open.pages.size, open.ports.size]).toEqual([[`introduce ${FIRST_GUEST_DOMID}`], 1, 1]);
  client.close();
  await settled();
  expect(happened).toEqual([`introduce ${FIRST_GUEST_DOMID}`, `release ${FIRST_GUEST_DOMID}`]);
  expect([open.pages.size, open.ports.size]).toEqual([0, 0]);
});

test('a connection that cannot be introduced is closed', async () => {
  const { clients, happened, open } = surroundings({ refuse: true });
  const [client, socket] = streamPair();
  clients.accept(socket);
  await settled();
  expect(client.read(1)).toEqual(new Uint8Array(0));
  expect(happened).toEqual([expect.stringContaining('EINVAL')]);
  expect([open.pages.size, open.ports.size]).toEqual([0, 0]);
});

test('one connection more than there may be is closed at once, and its number is free again when another goes', async () => {
  const { clients, happened } = surroundings();
  const pairs = Array.from({ length: CLIENTS_MAX + 1 }, () => streamPair());
  for (const [, socket] of pairs) clients.accept(socket);
  await settled();
  expect(pairs[CLIENTS_MAX]![0].read(1)).toEqual(new Uint8Array(0));
  expect(happened).toContain(`more than ${CLIENTS_MAX} connections: one is refused`);
  pairs[3]![0].close();
  await settled();
  clients.accept(streamPair()[1]);
  await settled();
  expect(happened.at(-1)).toBe(`introduce ${FIRST_GUEST_DOMID + 3}`);
});
