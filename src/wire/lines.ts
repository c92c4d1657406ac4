/** Newline framing of a byte stream: one message is the bytes before a `\n`. Messages never hold one (JSON does not). */

const NEWLINE = 0x0a;

export type LineFault = 'line-too-long';

/** Collects a stream's chunks into lines. After a fault it stays faulty: where the next line starts is no longer known. */
export class LineSplitter {
  private parts: Uint8Array[] = [];
  private length = 0;
  private fault: LineFault | null = null;

  /** `bytesMax` counts a line without its newline. */
  constructor(private readonly bytesMax: number) {}

  /** The lines that end in `chunk`, in order; empty lines are skipped. */
  push(chunk: Uint8Array): Uint8Array[] | LineFault {
    if (this.fault) return this.fault;
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (!this.keep(chunk.slice(start, end))) return 'line-too-long';
      if (this.length > 0) lines.push(this.take());
      start = end + 1;
    }
    return this.keep(chunk.slice(start)) ? lines : 'line-too-long';
  }

  private keep(part: Uint8Array): boolean {
    if (this.length + part.length > this.bytesMax) {
      this.fault = 'line-too-long';
      this.parts = [];
      return false;
    }
    if (part.length > 0) this.parts.push(part);
    this.length += part.length;
    return true;
  }

  private take(): Uint8Array {
    const line = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      line.set(part, at);
      at += part.length;
    }
    this.parts = [];
    this.length = 0;
    return line;
  }
}

export function joinLine(line: Uint8Array): Uint8Array {
  const framed = new Uint8Array(line.length + 1);
  framed.set(line);
  framed[line.length] = NEWLINE;
  return framed;
}
