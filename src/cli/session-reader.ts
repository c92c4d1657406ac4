/** A session that is no conversation: lines and counted bytes from the same stream. */
import { CliError } from './exit-codes.ts';
import type { OperatorSession } from './session.ts';

const LINE_BYTES_MAX = 64 * 1024;

export class SessionReader {
  private readonly chunks: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(private readonly session: OperatorSession) {
    this.chunks = (session.stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.rest.indexOf('\n');
      if (end >= 0) {
        const line = this.rest.toString('utf8', 0, end);
        this.rest = this.rest.subarray(end + 1);
        return line;
      }
      if (this.rest.length > LINE_BYTES_MAX) throw new CliError('transfer-incomplete', 'Toolstack sends no line');
      this.rest = Buffer.concat([this.rest, await this.next()]);
    }
  }

  async exactly(length: number): Promise<Buffer> {
    const parts = [this.rest];
    let have = this.rest.length;
    while (have < length) {
      const chunk = await this.next();
      parts.push(chunk);
      have += chunk.length;
    }
    const all = Buffer.concat(parts);
    this.rest = all.subarray(length);
    return all.subarray(0, length);
  }

  /** What comes, as it comes, to the end of the stream. */
  async *chunksToEnd(): AsyncGenerator<Buffer> {
    if (this.rest.length > 0) yield this.rest;
    for (let chunk = await this.chunk(); chunk !== null; chunk = await this.chunk()) yield chunk;
  }

  private async next(): Promise<Buffer> {
    const chunk = await this.chunk();
    if (chunk === null)
      throw new CliError('host-unreachable', `the connection has ended: ${await this.session.whyEnded()}`);
    return chunk;
  }

  /** null: the stream has ended. */
  private async chunk(): Promise<Buffer | null> {
    const { value, done } = await this.chunks.next().catch(() => ({ value: undefined, done: true }));
    return done || value === undefined ? null : value;
  }
}
