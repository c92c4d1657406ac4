import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FRAME_PAYLOAD_BYTES_MAX, FrameReader } from './frame.ts';
import { joinLine, LineSplitter } from './lines.ts';

const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });

describe('FrameReader', () => {
  it('reads the golden bytes', () => {
    expect(encodeFrame(Uint8Array.of(7, 8, 9))).toEqual(Uint8Array.of(3, 0, 0, 0, 7, 8, 9));
    expect(new FrameReader().push(Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 5))).toEqual([
      new Uint8Array(0),
      Uint8Array.of(5),
    ]);
  });

  it('finds the same messages however the stream is cut, empty ones too', () => {
    fc.assert(
      fc.property(messages, fc.nat(), (sent, cut) => {
        const stream = Uint8Array.from(sent.flatMap((message) => [...encodeFrame(message)]));
        const at = stream.length === 0 ? 0 : cut % stream.length;
        const reader = new FrameReader();
        expect([...reader.push(stream.subarray(0, at)), ...reader.push(stream.subarray(at))]).toEqual(sent);
      }),
    );
  });

  it('refuses a frame over the bound, for good, before any of it has come', () => {
    const reader = new FrameReader();
    const header = new Uint8Array(4);
    new DataView(header.buffer).setUint32(0, FRAME_PAYLOAD_BYTES_MAX + 1, true);
    expect(reader.push(header)).toBe('frame-too-long');
    expect(reader.push(Uint8Array.of(0, 0, 0, 0))).toBe('frame-too-long');
    expect(() => encodeFrame(new Uint8Array(FRAME_PAYLOAD_BYTES_MAX + 1))).toThrow(RangeError);
  });
});

describe('LineSplitter', () => {
  it('finds the same lines however the stream is cut; empty ones are none', () => {
    const lines = fc.array(fc.uint8Array({ min: 32, max: 126, minLength: 1, maxLength: 20 }), { maxLength: 6 });
    fc.assert(
      fc.property(lines, fc.nat(), (sent, cut) => {
        const stream = Uint8Array.from(sent.flatMap((line) => [10, ...joinLine(line)]));
        const at = stream.length === 0 ? 0 : cut % stream.length;
        const splitter = new LineSplitter(20);
        expect([...splitter.push(stream.subarray(0, at)), ...splitter.push(stream.subarray(at))]).toEqual(sent);
      }),
    );
  });

  it('takes the longest line and refuses the next longer one, for good', () => {
    expect(new LineSplitter(3).push(Uint8Array.of(65, 66, 67, 10))).toEqual([Uint8Array.of(65, 66, 67)]);
    const splitter = new LineSplitter(3);
    expect(splitter.push(Uint8Array.of(65, 66))).toEqual([]);
    expect(splitter.push(Uint8Array.of(67, 68))).toBe('line-too-long');
    expect(splitter.push(Uint8Array.of(10))).toBe('line-too-long');
  });
});
