/** A session with Toolstack: a two-way byte stream, whatever carries it. In operation that is ssh, in tests a socket or a pipe. */
import type { Duplex } from 'node:stream';
import { type MessageTransport, RPC_MESSAGE_BYTES_MAX } from '../kit/rpc.ts';
import { joinLine, LineSplitter } from '../wire/lines.ts';

export interface OperatorSession {
  readonly stream: Duplex;
  /** Why the stream ended, when it did so too early. */
  whyEnded(): Promise<string>;
  close(): void;
}

export type OpenSession = () => Promise<OperatorSession>;

/** One JSON-RPC message to a line. */
export function messagesOf(session: OperatorSession): MessageTransport {
  const { stream } = session;
  const splitter = new LineSplitter(RPC_MESSAGE_BYTES_MAX);
  const closedHandlers: ((why: string) => void)[] = [];
  let closedWhy: string | null = null;
  const end = (why: string) => {
    if (closedWhy !== null) return;
    closedWhy = why;
    session.close();
    for (const handler of closedHandlers) handler(why);
  };
  for (const event of ['end', 'close']) stream.once(event, () => void session.whyEnded().then(end));
  // `close` follows, and knows more.
  stream.on('error', () => {});
  return {
    send(message) {
      if (closedWhy === null && stream.writable) stream.write(joinLine(message));
    },
    onMessage(handler) {
      stream.on('data', (chunk: Buffer) => {
        const lines = splitter.push(chunk);
        if (typeof lines === 'string') end(lines);
        else for (const line of lines) handler(line);
      });
    },
    onClosed(handler) {
      if (closedWhy === null) closedHandlers.push(handler);
      else handler(closedWhy);
    },
    close: () => end('closed here'),
  };
}
