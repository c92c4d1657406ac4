/** The protocol's bytes as they are written down in test/vectors: no encoder of ours has made them, none reads the answers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SplitStore } from './split-store.ts';

const VECTORS = join(import.meta.dirname, '..', '..', 'vectors', 'xenstore-wire.txt');
/** Domains that exist from the beginning, beside Builder. */
const GUESTS = [16, 17];
const BUILDER = 4;
const RING_BYTES = 1024;

interface Exchange {
  readonly by: number;
  readonly request: Buffer;
  /** What every client finds in its ring, one line after the other. */
  readonly answers: Map<number, Buffer[]>;
}
interface Section {
  readonly title: string;
  readonly exchanges: Exchange[];
}

/** `"text"` and hexadecimal digits. */
function bytesOf(notation: string): Buffer {
  const parts = notation.match(/"[^"]*"|[0-9a-f]+/g) ?? [];
  return Buffer.concat(
    parts.map((part) => Buffer.from(part.replaceAll('"', ''), part.startsWith('"') ? 'ascii' : 'hex')),
  );
}

function sections(text: string): Section[] {
  const found: Section[] = [];
  for (const line of text.split('\n')) {
    const [, title] = /^## (.+)$/.exec(line) ?? [];
    if (title !== undefined) found.push({ title, exchanges: [] });
    const [, domid, direction, notation = ''] = /^ *(\d+) ([<>]) (.+)$/.exec(line) ?? [];
    if (domid === undefined) continue;
    const exchanges = found.at(-1)!.exchanges;
    const bytes = bytesOf(notation);
    if (direction === '>') exchanges.push({ by: Number(domid), request: bytes, answers: new Map() });
    else {
      const { answers } = exchanges.at(-1)!;
      answers.set(Number(domid), [...(answers.get(Number(domid)) ?? []), bytes]);
    }
  }
  return found;
}

const [prologue, ...others] = sections(readFileSync(VECTORS, 'utf8'));

/** What is longer than the ring is split less often, so that the test stays short. */
const pieceBytes = (request: Buffer, pieces: 'whole' | 'bytes'): number =>
  pieces === 'whole' ? request.length : request.length > RING_BYTES ? 61 : 1;

/** Each piece is looked at before the next one comes. */
async function play(exchanges: readonly Exchange[], pieces: 'whole' | 'bytes'): Promise<void> {
  const store = SplitStore.start();
  for (const domid of GUESTS) store.prepare(domid);
  const rings = new Map([BUILDER, ...GUESTS].map((domid) => [domid, store.ring(domid)]));
  const arrived = new Map<number, Buffer[]>();
  for (const [domid, ring] of rings)
    ring.onReadable(() => arrived.set(domid, [...(arrived.get(domid) ?? []), Buffer.from(ring.read(4096) ?? [])]));
  for (const { by, request, answers } of [...prologue!.exchanges, ...exchanges]) {
    arrived.clear();
    const step = pieceBytes(request, pieces);
    for (let at = 0; at < request.length; at += step) {
      // Nothing is answered before it is there as a whole.
      expect([...arrived]).toEqual([]);
      rings.get(by)!.write(request.subarray(at, at + step));
      await store.xen.settle();
    }
    expect(readable(arrived), `answers to ${request.toString('latin1')}`).toEqual(readable(answers));
  }
  expect(store.log.filter((line) => !line.includes('cannot be connected'))).toEqual([]);
}

/** One string of bytes for each client. */
const readable = (bytes: ReadonlyMap<number, readonly Buffer[]>): Record<string, string> =>
  Object.fromEntries([...bytes].map(([domid, parts]) => [domid, Buffer.concat(parts).toString('latin1')]));

describe.each(others)('$title', ({ exchanges }) => {
  it('whole', () => play(exchanges, 'whole'));
  it('byte by byte', () => play(exchanges, 'bytes'));
});

it('every type of message is among the vectors', () => {
  const messages = [prologue!, ...others].flatMap(({ exchanges }) =>
    exchanges.flatMap(({ request, answers }) => [request, ...[...answers.values()].flat()]),
  );
  const types = new Set(messages.map((message) => message.readUInt32LE(0)));
  // CONTROL to SET_TARGET, RESET_WATCHES, DIRECTORY_PART; 20 was withdrawn from the protocol.
  expect([...types]).toEqual(expect.arrayContaining([...Array(20).keys(), 21, 22]));
});
