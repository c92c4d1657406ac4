/** A guest's screen, on sessions of its own: one picture, or VNC. */
import type { Duplex } from 'node:stream';
import * as z from 'zod/mini';
import { openResult, type ScreenRequest, screenRefusal, shotResult } from '../contracts/toolstack.ts';
import { RpcError } from '../kit/rpc.ts';
import { type Onlooker, patiently } from './patience.ts';
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
  const { session, reader, result } = await begin(access, 'screen.shot', guest, shotResult);
  try {
    return await patiently(access, 'receiving the picture', reader.exactly(result.bytes));
  } finally {
    session.close();
  }
}

export async function openScreen(access: ToolstackAccess, guest: string | number): Promise<OpenScreen> {
  const { session, reader } = await begin(access, 'screen.open', guest, openResult);
  return { stream: session.stream, chunks: () => reader.chunksToEnd(), close: () => session.close() };
}

async function begin<S extends z.core.$ZodType>(
  access: ToolstackAccess,
  method: ScreenRequest['method'],
  guest: string | number,
  schema: S,
): Promise<{ session: OperatorSession; reader: SessionReader; result: z.output<S> }> {
  const session = await patiently(access, 'connecting to Toolstack', access.openSession());
  session.stream.on('error', () => {});
  try {
    const reader = new SessionReader(session);
    session.stream.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { guest } })}\n`);
    return { session, reader, result: await answerOf(access, method, reader, schema) };
  } catch (error) {
    session.close();
    throw error;
  }
}

async function answerOf<S extends z.core.$ZodType>(
  onlooker: Onlooker,
  method: string,
  reader: SessionReader,
  schema: S,
): Promise<z.output<S>> {
  const answer: unknown = JSON.parse(await patiently(onlooker, `waiting for the host: ${method}`, reader.line()));
  const refusal = screenRefusal.safeParse(answer);
  if (refusal.success) throw new RpcError(refusal.data.error.data.code, refusal.data.error.message);
  return z.parse(schema, z.parse(z.object({ result: z.unknown() }), answer).result);
}
