import { describe, expect, it } from 'vitest';
import {
  decodeStrings,
  encodePacket,
  encodeStrings,
  messageTypes,
  type Packet,
  PacketReader,
} from '../wire/xenstore-message.ts';
import { streamPair } from '../xen/memory/byte-stream.ts';
import { VirtualClock } from '../xen/memory/virtual-clock.ts';
import { connectXenStore } from './xenstore-client.ts';

/** A client whose server is the test: `answer` says what comes back for each request. */
function served(answer: (request: Packet) => Uint8Array[], readBytesMax?: number) {
  const [near, far] = streamPair({ capacityBytes: 32, ...(readBytesMax ? { readBytesMax } : {}) });
  const reader = new PacketReader();
  const output: Uint8Array[] = [];
  const flush = (): void => {
    for (let first = output[0]; first; first = output[0]) {
      const taken = far.write(first);
      if (taken < first.length) output[0] = first.subarray(taken);
      else output.shift();
      if (taken > 0) continue;
      far.onWritable(flush);
      return;
    }
    far.onWritable(null);
  };
  far.onReadable(() => {
    const chunk = far.read(4096);
    const packets = chunk && reader.push(chunk);
    if (!packets || typeof packets === 'string') throw new Error('the client broke the protocol');
    for (const packet of packets) output.push(...answer(packet));
    flush();
  });
  const send = (...packets: Uint8Array[]): void => {
    output.push(...packets);
    flush();
  };
  return { client: connectXenStore(near, new VirtualClock(async () => undefined)), far, send };
}

const reply = (to: Packet, payload: Uint8Array, type = to.type): Uint8Array =>
  encodePacket({ type, requestId: to.requestId, transactionId: to.transactionId, payload });
/** Everything that the streams can deliver by now is delivered. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('the XenStore client', () => {
  it.each([1, 5, 32])('works over a narrow stream, %d bytes at a time', async (readBytesMax) => {
    const { client } = served((request) => [reply(request, request.payload)], readBytesMax);
    const long = 'x'.repeat(1000);
    expect(await Promise.all([client.read(`/${long}`), client.read('/b')])).toEqual([`/${long}\0`, '/b\0']);
  });

  it('sends a request only when the one before is answered, and lets events pass between', async () => {
    const got: Packet[] = [];
    const { client, far, send } = served((request) => {
      if (request.type === messageTypes.watch) return [reply(request, encodeStrings(['OK']))];
      got.push(request);
      return [];
    });
    const seen: string[] = [];
    await client.watch('p', (path) => seen.push(path));
    const both = Promise.all([client.read('/a'), client.read('/b')]);
    await settled();
    expect(got.map(({ payload }) => decodeStrings(payload).strings[0])).toEqual(['/a']);
    const event = { type: messageTypes.watchEvent, requestId: 0xdead, transactionId: 1 };
    send(encodePacket({ ...event, payload: encodeStrings(['p', 'ennead-1']) }), reply(got[0]!, text('first')));
    await settled();
    expect(got.map(({ payload }) => decodeStrings(payload).strings[0])).toEqual(['/a', '/b']);
    send(reply(got[1]!, text('second')));
    expect(await both).toEqual(['first', 'second']);
    expect(seen).toEqual(['p']);
    far.close();
  });

  it("turns the server's error into a PortError, a missing node into null", async () => {
    const { client } = served((request) => {
      const error = request.type === messageTypes.read ? 'ENOENT' : 'EROFS';
      return [reply(request, encodeStrings([error]), messageTypes.error)];
    });
    expect(await client.read('/a')).toBeNull();
    await expect(client.write('/a', '')).rejects.toMatchObject({ code: 'EROFS', op: 'xenstore write' });
    await expect(client.write('/a', 'x'.repeat(4096))).rejects.toMatchObject({ code: 'E2BIG' });
  });

  it('starts a listing again when the directory changes between two parts', async () => {
    const parts: Record<string, [string, string][]> = {
      '0': [
        ['1', 'a\0'],
        ['2', 'new\0'],
      ],
      '2': [['2', '']],
      '4': [['2', 'b\0\0']],
    };
    const { client } = served((request) => {
      if (request.type === messageTypes.directory)
        return [reply(request, encodeStrings(['E2BIG']), messageTypes.error)];
      const offset = new TextDecoder().decode(request.payload).split('\0')[1] ?? '';
      const [generation, names] = parts[offset]?.shift() ?? ['', ''];
      return [reply(request, encodeStrings([generation], text(names)))];
    });
    expect(await client.list('/many')).toEqual(['new', 'b']);
  });

  it('rejects what is under way when the server goes', async () => {
    const { client, far } = served(() => []);
    const pending = expect(client.read('/a')).rejects.toMatchObject({ code: 'ENOTCONN' });
    far.close();
    await pending;
    await expect(client.read('/a')).rejects.toMatchObject({ code: 'ENOTCONN' });
  });
});
