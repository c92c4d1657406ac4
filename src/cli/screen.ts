/** A guest's screen, on sessions of its own: one picture, or VNC. */
import type { Duplex } from 'node:stream';
import { openAnswer, type ScreenRequest, shotAnswer } from '../contracts/toolstack.ts';
import { RpcError } from '../kit/rpc.ts';
import { patiently } from './patience.ts';
import type { OperatorSession } from './session.ts';
import { SessionReader } from './session-reader.ts';
import type { ToolstackAccess } from './toolstack-client.ts';

export interface OpenScreen {
  /** What the viewer says. */
  readonly stream: Duplex;
  /** What it is shown. */
  chunks(): AsyncGenerator<Buffer>;
  close(): void;
}

/** A PNG. */
export async function takeScreenshot(access: ToolstackAccess, guest: string | number): Promise<Buffer> {
  const { session, reader, result } = await begin(access, 'screen.shot', guest, (answer) => shotAnswer.parse(answer));
  try {
    return await patiently(access, 'receiving the picture', reader.exactly(result.bytes));
  } finally {
    session.close();
  }
}

export async function openScreen(access: ToolstackAccess, guest: string | number): Promise<OpenScreen> {
  const { session, reader } = await begin(access, 'screen.open', guest, (answer) => openAnswer.parse(answer));
  return { stream: session.stream, chunks: () => reader.chunksToEnd(), close: () => session.close() };
}

type Answer<R> = { readonly result: R } | { readonly error: { message: string; data: { code: string } } };

async function begin<R>(
  access: ToolstackAccess,
  method: ScreenRequest['method'],
  guest: string | number,
  parse: (answer: unknown) => Answer<R>,
): Promise<{ session: OperatorSession; reader: SessionReader; result: R }> {
  const session = await patiently(access, 'connecting to Toolstack', access.openSession());
  session.stream.on('error', () => {});
  try {
    const reader = new SessionReader(session);
    session.stream.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { guest } })}\n`);
    const answer = parse(JSON.parse(await patiently(access, `waiting for the host: ${method}`, reader.line())));
    if ('error' in answer) throw new RpcError(answer.error.data.code, answer.error.message);
    return { session, reader, result: answer.result };
  } catch (error) {
    session.close();
    throw error;
  }
}
