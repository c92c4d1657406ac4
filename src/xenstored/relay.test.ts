import fc from 'fast-check';
import { expect, test } from 'vitest';
import { streamPair } from '../xen/memory/byte-stream.ts';
import type { ByteStream } from '../xen/ports.ts';
import { relay } from './relay.ts';

/** Everything until the end. */
function readAll(stream: ByteStream): Promise<number[]> {
  const bytes: number[] = [];
  return new Promise((resolve) => {
    stream.onReadable(() => {
      const chunk = stream.read(64);
      bytes.push(...(chunk ?? []));
      if (chunk?.length !== 0) return;
      stream.onReadable(null);
      resolve(bytes);
    });
  });
}

function writeAll(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    let left = bytes;
    stream.onWritable(() => {
      left = left.subarray(stream.write(left));
      if (left.length > 0) return;
      stream.onWritable(null);
      resolve();
    });
  });
}

test('what goes in at one side comes out at the other, however little each takes at a time', () =>
  fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      async (bytes, capacity, readMax) => {
        const [client, near] = streamPair({ capacityBytes: capacity, readBytesMax: readMax });
        const [far, server] = streamPair({ capacityBytes: readMax, readBytesMax: capacity });
        const ended = new Promise<string>((resolve) => relay(near, far, resolve));
        ended.then(() => far.close());
        const arrived = readAll(server);
        await writeAll(client, bytes);
        client.close();
        expect(await ended).toBe('closed by the other side');
        // What had been read when the end came has been written, as far as there was room.
        const whole = Array.from(bytes);
        const got = await arrived;
        expect(whole.slice(0, got.length)).toEqual(got);
        expect(got.length).toBeGreaterThanOrEqual(whole.length - readMax);
      },
    ),
  ));

test('a stream that fails ends the relay, once, and is not asked again', () => {
  const failing: ByteStream = {
    read: () => {
      throw new Error('ECONNRESET');
    },
    write: () => 0,
    onReadable: (handler) => handler?.(),
    onWritable: () => {},
    close: () => {},
  };
  const [, other] = streamPair();
  const whys: string[] = [];
  relay(failing, other, (why) => whys.push(why));
  expect(whys).toEqual(['Error: ECONNRESET']);
});
