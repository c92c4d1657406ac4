/** Messages in a byte stream: a little-endian u32 length, then so many bytes. Used on the links between service VMs. */

export const FRAME_HEADER_BYTES = 4;
/** The longest message of any link. */
export const FRAME_PAYLOAD_BYTES_MAX = 1024 * 1024;

export type FrameFault = 'frame-too-long';

export function encodeFrame(payload: Uint8Array): Uint8Array {
  if (payload.length > FRAME_PAYLOAD_BYTES_MAX) throw new RangeError(`a frame of ${payload.length} bytes`);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length, true);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** Collects chunks into messages. Memory is taken as bytes come, not as the header promises. After a fault it stays faulty. */
export class FrameReader {
  private readonly header = new Uint8Array(FRAME_HEADER_BYTES);
  private headerLength = 0;
  private parts: Uint8Array[] = [];
  private missing = 0;
  private fault: FrameFault | null = null;

  /** The messages that end in `chunk`, in order. */
  push(chunk: Uint8Array): Uint8Array[] | FrameFault {
    if (this.fault) return this.fault;
    const only = this.headerLength === 0 ? onlyMessage(chunk) : null;
    if (only) return [only];
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length || (this.headerLength === FRAME_HEADER_BYTES && this.missing === 0)) {
      if (this.headerLength < FRAME_HEADER_BYTES) {
        at += this.takeHeader(chunk.subarray(at));
        if (this.missing > FRAME_PAYLOAD_BYTES_MAX) {
          this.fault = 'frame-too-long';
          return this.fault;
        }
        continue;
      }
      const part = chunk.slice(at, at + this.missing);
      this.parts.push(part);
      this.missing -= part.length;
      at += part.length;
      if (this.missing === 0) messages.push(this.takeMessage());
    }
    return messages;
  }

  private takeHeader(bytes: Uint8Array): number {
    const part = bytes.subarray(0, FRAME_HEADER_BYTES - this.headerLength);
    this.header.set(part, this.headerLength);
    this.headerLength += part.length;
    if (this.headerLength === FRAME_HEADER_BYTES) this.missing = new DataView(this.header.buffer).getUint32(0, true);
    return part.length;
  }

  private takeMessage(): Uint8Array {
    const message = joined(this.parts);
    this.parts = [];
    this.headerLength = 0;
    return message;
  }
}

/** Nearly every chunk is one whole frame. null: this one is not. */
function onlyMessage(chunk: Uint8Array): Uint8Array | null {
  if (chunk.length < FRAME_HEADER_BYTES) return null;
  const length = new DataView(chunk.buffer, chunk.byteOffset).getUint32(0, true);
  const isOnly = length === chunk.length - FRAME_HEADER_BYTES && length <= FRAME_PAYLOAD_BYTES_MAX;
  return isOnly ? chunk.slice(FRAME_HEADER_BYTES) : null;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts[0];
  if (parts.length === 1 && only) return only;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
