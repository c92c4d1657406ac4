/** The last so many bytes of a stream. */
export class Backlog {
  private readonly bytes: Uint8Array;
  private total = 0;

  constructor(bytesMax: number) {
    this.bytes = new Uint8Array(bytesMax);
  }

  push(chunk: Uint8Array): void {
    const kept = chunk.subarray(Math.max(0, chunk.length - this.bytes.length));
    const start = (this.total + chunk.length - kept.length) % this.bytes.length;
    const first = Math.min(kept.length, this.bytes.length - start);
    this.bytes.set(kept.subarray(0, first), start);
    this.bytes.set(kept.subarray(first), 0);
    this.total += chunk.length;
  }

  /** Oldest byte first. */
  contents(): Uint8Array {
    if (this.total <= this.bytes.length) return this.bytes.slice(0, this.total);
    const start = this.total % this.bytes.length;
    const ordered = new Uint8Array(this.bytes.length);
    ordered.set(this.bytes.subarray(start));
    ordered.set(this.bytes.subarray(0, start), this.bytes.length - start);
    return ordered;
  }
}
