/** Toolstack's methods, typed, over one session. */
import type * as z from 'zod/mini';
import {
  consoleData,
  consoleEnded,
  storeChanged,
  type ToolstackAnswers,
  type ToolstackMethod,
  type toolstackMethods,
} from '../contracts/toolstack.ts';
import { RpcError, type RpcMethods, rpcMethod, rpcPeer } from '../kit/rpc.ts';
import { CliError } from './exit-codes.ts';
import { type Onlooker, patiently } from './patience.ts';
import { messagesOf, type OpenSession } from './session.ts';

type Params<M extends ToolstackMethod> = z.input<(typeof toolstackMethods)[M]>;

/** What Toolstack says by itself, to a session that has asked for it. */
export interface ToolstackEvents {
  output?(data: string): void;
  ended?(reason: string): void;
  changed?(path: string): void;
}

export interface ToolstackClient {
  call<M extends ToolstackMethod>(method: M, params: Params<M>, timeoutMs?: number): Promise<ToolstackAnswers[M]>;
  notify<M extends ToolstackMethod>(method: M, params: Params<M>): void;
  onClosed(handler: (why: string) => void): void;
  close(): void;
}

/** Building a guest and shutting one down take their time; Toolstack's own limits are shorter. */
export const LONG_CALL_MS = 300_000;

/** The way to Toolstack, and who waits for it. */
export interface ToolstackAccess extends Onlooker {
  readonly openSession: OpenSession;
}

/** Runs `body` with a session and ends the session. */
export async function withToolstack<T>(
  access: ToolstackAccess,
  body: (toolstack: ToolstackClient) => Promise<T>,
  events: ToolstackEvents = {},
): Promise<T> {
  const session = await patiently(access, 'connecting to Toolstack', access.openSession());
  const peer = rpcPeer(messagesOf(session), eventMethods(events));
  try {
    return await body({
      call: (method, params, timeoutMs) =>
        patiently(access, `waiting for the host: ${method}`, peer.call(method, params, timeoutMs)) as Promise<never>,
      notify: (method, params) => peer.notify(method, params),
      onClosed: (handler) => peer.onClosed(handler),
      close: () => peer.close(),
    });
  } catch (error) {
    throw unreachable(error);
  } finally {
    peer.close();
  }
}

/** An ssh that ended is the transport's failure, whatever was asked through it. */
function unreachable(error: unknown): unknown {
  if (error instanceof RpcError && (error.code === 'closed' || error.code === 'timeout'))
    return new CliError('host-unreachable', `Toolstack does not answer: ${error.message}; see: ennead host status`);
  return error;
}

function eventMethods(events: ToolstackEvents): RpcMethods {
  return {
    'console.output': rpcMethod(consoleData, ({ data }) => events.output?.(data)),
    'console.ended': rpcMethod(consoleEnded, ({ reason }) => events.ended?.(reason)),
    'xenstore.changed': rpcMethod(storeChanged, ({ path }) => events.changed?.(path)),
  };
}
