import { beforeEach, describe, expect, it } from 'vitest';
import { streamPair } from '../../xen/memory/byte-stream.ts';
import type { ByteStream } from '../../xen/ports.ts';
import { Relay } from './relay.ts';

let socket: ByteStream;
let relay: Relay;
let delivered: number[];
let taken: (() => void)[];
let closed: number;

beforeEach(() => {
  const [ours, theirs] = streamPair({ capacityBytes: 64 * 1024 });
  socket = theirs;
  delivered = [];
  taken = [];
  closed = 0;
  relay = new Relay(ours, {
    deliver: (data) => {
      delivered.push(data.length);
      return new Promise((resolve) => taken.push(resolve));
    },
    closed: () => {
      closed += 1;
    },
  });
});

/** Streams and promises come to rest. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

describe('Relay', () => {
  it('reads on only when what it has delivered was taken', async () => {
    expect(socket.write(new Uint8Array(60_000))).toBe(60_000);
    await settle();
    expect(delivered).toEqual([16_384]);
    taken[0]!();
    await settle();
    expect(delivered).toEqual([16_384, 16_384]);
  });

  it('keeps what the other side does not read yet, in order, up to a bound', async () => {
    for (let part = 0; part < 3; part += 1) relay.write(new Uint8Array(50_000).fill(part));
    await settle();
    const first = socket.read(65_536)!;
    expect([first.length, first[0], first.at(-1)]).toEqual([65_536, 0, 1]);
    await settle();
    expect(socket.read(65_536)).toHaveLength(65_536);
    expect(closed).toBe(0);
  });

  it('ends a connection that more is sent to than it may hold', async () => {
    for (let part = 0; part < 5; part += 1) relay.write(new Uint8Array(50_000));
    expect(closed).toBe(1);
    relay.write(new Uint8Array(1));
    await settle();
    expect(closed).toBe(1);
  });

  it('says once that the other side has closed, and nothing when it was closed here', async () => {
    socket.close();
    await settle();
    expect(closed).toBe(1);
    const [ours, theirs] = streamPair();
    const own = new Relay(ours, { deliver: () => Promise.resolve(), closed: () => expect.unreachable() });
    own.close();
    theirs.close();
    await settle();
    own.write(new Uint8Array(1));
  });
});
