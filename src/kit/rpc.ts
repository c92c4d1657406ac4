/**
 * A symmetric JSON-RPC 2.0 peer: either side calls, either side answers. It sits on any transport of whole messages
 * (a link, a stream with newline framing). Batches are refused; calls, answers under way and message sizes are bounded.
 * @source https://www.jsonrpc.org/specification
 */
import * as z from 'zod/mini';

/** Whole messages, in order. A `MessageLink` is one. */
export interface MessageTransport {
  send(message: Uint8Array): void;
  onMessage(handler: (message: Uint8Array) => void): void;
  /** Once. */
  onClosed(handler: (why: string) => void): void;
  close(): void;
}

/** A refusal that the other side is told. `code` is a stable word: callers decide by it, people read `message`. */
export class RpcError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly data?: unknown,
  ) {
    super(message);
    this.name = 'RpcError';
  }
}

export interface RpcMethod {
  readonly params: z.core.$ZodType;
  run(params: unknown): unknown;
}

/** One method's schema and what it does, typed together. `run` may throw an `RpcError`; any other exception is reported as `internal`. */
export const rpcMethod = <S extends z.core.$ZodType>(params: S, run: (params: z.output<S>) => unknown): RpcMethod => ({
  params,
  run: (value) => run(value as z.output<S>),
});

export type RpcMethods = Readonly<Record<string, RpcMethod>>;

export interface RpcPeer {
  /** Rejects with an `RpcError`: the other side's, or `timeout`, `closed`, `busy`, `too-large`. `params` is an object. */
  call(method: string, params?: object, timeoutMs?: number): Promise<unknown>;
  /** A call that wants no answer. */
  notify(method: string, params?: object): void;
  onClosed(handler: (why: string) => void): void;
  close(): void;
}

export interface RpcOptions {
  readonly messageBytesMax?: number;
  /** Calls of ours without an answer, and calls of theirs that still run: each at most so many. */
  readonly pendingMax?: number;
  /** Is told of exceptions that are our own bugs; the caller learns only that there was one. */
  readonly onInternalError?: (method: string, error: unknown) => void;
}

export const RPC_MESSAGE_BYTES_MAX = 256 * 1024;
const PENDING_MAX = 64;
const CALL_TIMEOUT_MS = 30_000;

/** Numbers of the specification, and one of the range it leaves to applications; our words travel in `data.code`. */
const numbers: Record<string, number> = {
  'parse-error': -32700,
  'invalid-request': -32600,
  'unknown-method': -32601,
  'invalid-params': -32602,
  internal: -32603,
};
const APPLICATION_ERROR = -32000;

const id = z.union([z.number(), z.string().check(z.maxLength(64))]);
const version = z.literal('2.0');
const requestMessage = z.object({
  jsonrpc: version,
  id: z.optional(id),
  method: z.string().check(z.maxLength(128)),
  params: z.optional(z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())])),
});
const errorObject = z.object({
  code: z.number(),
  message: z.string(),
  data: z.optional(z.object({ code: z.string(), data: z.optional(z.unknown()) })),
});
const answerMessage = z.union([
  z.object({ jsonrpc: version, id, error: errorObject }),
  z.object({ jsonrpc: version, id, result: z.unknown() }),
]);

type Id = z.infer<typeof id>;
interface PendingCall {
  resolve(result: unknown): void;
  reject(error: RpcError): void;
  timer: ReturnType<typeof setTimeout>;
}

export function rpcPeer(transport: MessageTransport, methods: RpcMethods, options: RpcOptions = {}): RpcPeer {
  return new Peer(transport, methods, options);
}

class Peer implements RpcPeer {
  private readonly pending = new Map<Id, PendingCall>();
  private readonly closedHandlers: ((why: string) => void)[] = [];
  private readonly bytesMax: number;
  private readonly pendingMax: number;
  private lastId = 0;
  private running = 0;
  private closedWhy: string | null = null;

  constructor(
    private readonly transport: MessageTransport,
    private readonly methods: RpcMethods,
    private readonly options: RpcOptions,
  ) {
    this.bytesMax = options.messageBytesMax ?? RPC_MESSAGE_BYTES_MAX;
    this.pendingMax = options.pendingMax ?? PENDING_MAX;
    transport.onMessage((message) => this.receive(message));
    transport.onClosed((why) => this.closed(why));
  }

  call(method: string, params: object = {}, timeoutMs = CALL_TIMEOUT_MS): Promise<unknown> {
    if (this.closedWhy !== null) return Promise.reject(new RpcError('closed', `${method}: ${this.closedWhy}`));
    if (this.pending.size >= this.pendingMax) return Promise.reject(new RpcError('busy', `${method}: too many calls`));
    const callId = ++this.lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(callId);
        reject(new RpcError('timeout', `${method}: no answer in ${timeoutMs} ms`));
      }, timeoutMs);
      this.pending.set(callId, { resolve, reject, timer });
      if (this.send({ jsonrpc: '2.0', id: callId, method, params })) return;
      this.settle(callId)?.reject(new RpcError('too-large', `${method}: the parameters are too large`));
    });
  }

  notify(method: string, params: object = {}): void {
    if (this.closedWhy === null) this.send({ jsonrpc: '2.0', method, params });
  }

  onClosed(handler: (why: string) => void): void {
    if (this.closedWhy === null) this.closedHandlers.push(handler);
    else handler(this.closedWhy);
  }

  close(): void {
    this.transport.close();
    this.closed('closed here');
  }

  private closed(why: string): void {
    if (this.closedWhy !== null) return;
    this.closedWhy = why;
    for (const callId of [...this.pending.keys()]) this.settle(callId)?.reject(new RpcError('closed', why));
    for (const handler of this.closedHandlers) handler(why);
  }

  /** false: larger than the other side takes. */
  private send(message: object): boolean {
    const bytes = new TextEncoder().encode(JSON.stringify(message));
    if (bytes.length > this.bytesMax) return false;
    if (this.closedWhy === null) this.transport.send(bytes);
    return true;
  }

  private receive(bytes: Uint8Array): void {
    try {
      this.dispatch(parsed(bytes, this.bytesMax));
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.refuse(null, error);
    }
  }

  private dispatch(message: unknown): void {
    if (isObject(message) && 'method' in message) {
      const request = z.safeParse(requestMessage, message);
      if (!request.success) throw new RpcError('invalid-request', 'not a JSON-RPC 2.0 request');
      void this.answer(request.data);
    } else if (isObject(message) && ('result' in message || 'error' in message)) {
      // A malformed answer is not answered: two confused peers would go on for ever.
      const answer = z.safeParse(answerMessage, message);
      if (answer.success) this.conclude(answer.data);
    } else throw new RpcError('invalid-request', 'not a JSON-RPC 2.0 message');
  }

  private conclude(answer: z.infer<typeof answerMessage>): void {
    const call = this.settle(answer.id);
    // An answer that nobody waits for came after its time-out.
    if (!call) return;
    if ('error' in answer) {
      const { message, data, code } = answer.error;
      call.reject(new RpcError(data?.code ?? wordOf(code), message, data?.data));
    } else call.resolve(answer.result);
  }

  private settle(callId: Id): PendingCall | undefined {
    const call = this.pending.get(callId);
    if (!call) return undefined;
    this.pending.delete(callId);
    clearTimeout(call.timer);
    return call;
  }

  private async answer(request: z.infer<typeof requestMessage>): Promise<void> {
    const respond = request.id === undefined ? null : request.id;
    if (this.running >= this.pendingMax) {
      if (respond !== null) this.refuse(respond, new RpcError('busy', 'too many calls at once'));
      return;
    }
    this.running += 1;
    try {
      // Not awaited without need: notifications that come in one burst would count as calls that run side by side, and be lost.
      const running = this.run(request.method, request.params ?? {});
      const result = running instanceof Promise ? await running : running;
      if (respond === null) return;
      if (!this.send({ jsonrpc: '2.0', id: respond, result: result ?? {} }))
        this.refuse(respond, new RpcError('too-large', 'the answer is too large'));
    } catch (error) {
      if (respond !== null) this.refuse(respond, this.reported(request.method, error));
    } finally {
      this.running -= 1;
    }
  }

  private run(name: string, params: unknown): unknown {
    const method = Object.hasOwn(this.methods, name) ? this.methods[name] : undefined;
    if (!method) throw new RpcError('unknown-method', `no method ${name}`);
    const checked = z.safeParse(method.params, params);
    if (!checked.success) throw new RpcError('invalid-params', z.prettifyError(checked.error));
    return method.run(checked.data);
  }

  private reported(method: string, error: unknown): RpcError {
    if (error instanceof RpcError) return error;
    this.options.onInternalError?.(method, error);
    return new RpcError('internal', `${method}: internal error`);
  }

  private refuse(to: Id | null, error: RpcError): void {
    const data = { code: error.code, ...(error.data === undefined ? {} : { data: error.data }) };
    const code = numbers[error.code] ?? APPLICATION_ERROR;
    this.send({ jsonrpc: '2.0', id: to, error: { code, message: error.message, data } });
  }
}

function parsed(bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.length > bytesMax) throw new RpcError('invalid-request', 'message too large');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new RpcError('parse-error', 'not JSON');
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** For answers of peers that are not ours and send no word. */
const wordOf = (number: number): string =>
  Object.entries(numbers).find(([, value]) => value === number)?.[0] ?? 'failed';
