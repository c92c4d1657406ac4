import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod/mini';
import { streamPair } from '../xen/memory/byte-stream.ts';
import { lineTransport } from './line-transport.ts';
import { type MessageTransport, RpcError, type RpcMethods, type RpcOptions, rpcMethod, rpcPeer } from './rpc.ts';

/** A transport whose other end is the test. */
function tested(methods: RpcMethods = {}, options: RpcOptions = {}) {
  const sent: Record<string, unknown>[] = [];
  let deliver: (message: Uint8Array) => void = () => undefined;
  let end: (why: string) => void = () => undefined;
  const transport: MessageTransport = {
    send: (message) => sent.push(JSON.parse(new TextDecoder().decode(message)) as Record<string, unknown>),
    onMessage: (handler) => (deliver = handler),
    onClosed: (handler) => (end = handler),
    close: () => undefined,
  };
  const peer = rpcPeer(transport, methods, options);
  const receive = async (message: unknown) => {
    deliver(new TextEncoder().encode(typeof message === 'string' ? message : JSON.stringify(message)));
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { peer, sent, receive, end: (why: string) => end(why) };
}

const add = rpcMethod(z.strictObject({ a: z.number(), b: z.number() }), ({ a, b }) => a + b);
const refuse = rpcMethod(z.strictObject({}), () => {
  throw new RpcError('not-allowed', 'no', { by: 4 });
});
const broken = rpcMethod(z.strictObject({}), () => {
  throw new Error('secret detail');
});
const errorOf = (message: Record<string, unknown> | undefined) =>
  message?.error as { code: number; message: string; data: { code: string; data?: unknown } };

afterEach(() => vi.useRealTimers());

describe('an RPC peer answers', () => {
  it.each([
    ['a call', { jsonrpc: '2.0', id: 1, method: 'add', params: { a: 1, b: 2 } }, { jsonrpc: '2.0', id: 1, result: 3 }],
    [
      'a call with a text id',
      { jsonrpc: '2.0', id: 'x', method: 'add', params: { a: 1, b: 2 } },
      { jsonrpc: '2.0', id: 'x', result: 3 },
    ],
  ])('%s', async (_, request, answer) => {
    const { sent, receive } = tested({ add });
    await receive(request);
    expect(sent).toEqual([answer]);
  });

  it.each([
    ['not JSON', '{', -32700, 'parse-error'],
    ['a batch', [{ jsonrpc: '2.0', id: 1, method: 'add' }], -32600, 'invalid-request'],
    ['another version', { jsonrpc: '1.0', id: 1, method: 'add' }, -32600, 'invalid-request'],
    ['an unknown method', { jsonrpc: '2.0', id: 1, method: 'sub' }, -32601, 'unknown-method'],
    ['a method of the prototype', { jsonrpc: '2.0', id: 1, method: 'toString' }, -32601, 'unknown-method'],
    ['wrong parameters', { jsonrpc: '2.0', id: 1, method: 'add', params: { a: 'x' } }, -32602, 'invalid-params'],
    ['a refusal', { jsonrpc: '2.0', id: 1, method: 'refuse' }, -32000, 'not-allowed'],
    ['an exception', { jsonrpc: '2.0', id: 1, method: 'broken' }, -32603, 'internal'],
  ])('%s with its error', async (_, request, code, word) => {
    const errors: unknown[] = [];
    const { sent, receive } = tested(
      { add, refuse, broken },
      { onInternalError: (_method, error) => errors.push(error) },
    );
    await receive(request);
    expect(errorOf(sent[0])).toMatchObject({ code, data: { code: word } });
    expect(JSON.stringify(sent)).not.toContain('secret');
    expect(errors).toHaveLength(word === 'internal' ? 1 : 0);
  });

  it('nothing to a notification, to an answer nobody asked for, and to a malformed answer', async () => {
    const { sent, receive } = tested({ add, refuse });
    await receive({ jsonrpc: '2.0', method: 'refuse', params: {} });
    await receive({ jsonrpc: '2.0', id: 77, result: 1 });
    await receive({ jsonrpc: '2.0', result: 1 });
    expect(sent).toEqual([]);
  });

  it('`busy` beyond its bound of running calls', async () => {
    let finish: (value: number) => void = () => undefined;
    const slow = rpcMethod(z.strictObject({}), () => new Promise<number>((resolve) => (finish = resolve)));
    const { sent, receive } = tested({ slow }, { pendingMax: 1 });
    await receive({ jsonrpc: '2.0', id: 1, method: 'slow' });
    await receive({ jsonrpc: '2.0', id: 2, method: 'slow' });
    expect(errorOf(sent[0])).toMatchObject({ data: { code: 'busy' } });
    finish(5);
    await receive({ jsonrpc: '2.0', id: 77, result: 1 });
    expect(sent[1]).toEqual({ jsonrpc: '2.0', id: 1, result: 5 });
  });
});

describe('a call', () => {
  it("resolves to the result, rejects with the other side's word and data", async () => {
    const { peer, sent, receive } = tested();
    const good = peer.call('add', { a: 1, b: 2 });
    const bad = expect(peer.call('refuse')).rejects.toMatchObject({ code: 'not-allowed', message: 'no', data: 4 });
    const foreign = expect(peer.call('sub')).rejects.toMatchObject({ code: 'unknown-method' });
    await receive({ jsonrpc: '2.0', id: sent[0]?.id, result: 3 });
    await receive({
      jsonrpc: '2.0',
      id: sent[1]?.id,
      error: { code: -32000, message: 'no', data: { code: 'not-allowed', data: 4 } },
    });
    await receive({ jsonrpc: '2.0', id: sent[2]?.id, error: { code: -32601, message: 'what?' } });
    expect(await good).toBe(3);
    await bad;
    await foreign;
  });

  it('rejects: timeout, closed, busy, too-large', async () => {
    vi.useFakeTimers();
    const { peer, end } = tested({}, { pendingMax: 1, messageBytesMax: 200 });
    const late = expect(peer.call('slow', {}, 50)).rejects.toMatchObject({ code: 'timeout' });
    await expect(peer.call('slow')).rejects.toMatchObject({ code: 'busy' });
    await vi.advanceTimersByTimeAsync(50);
    await late;
    await expect(peer.call('big', { text: 'x'.repeat(300) })).rejects.toMatchObject({ code: 'too-large' });
    const cut = expect(peer.call('slow')).rejects.toMatchObject({ code: 'closed' });
    end('gone');
    await cut;
    await expect(peer.call('slow')).rejects.toMatchObject({ code: 'closed' });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('over a byte stream', () => {
  it.each([1, 7, 4096])('calls go both ways, read %d bytes at a time', async (readBytesMax) => {
    const [left, right] = streamPair({ readBytesMax, capacityBytes: 64 });
    const a = rpcPeer(lineTransport(left), { add });
    const b = rpcPeer(lineTransport(right), { add });
    expect(await Promise.all([a.call('add', { a: 1, b: 2 }), b.call('add', { a: 3, b: 4 })])).toEqual([3, 7]);
    a.close();
    await expect(b.call('add', { a: 1, b: 1 })).rejects.toMatchObject({ code: 'closed' });
  });

  it('a line over the bound closes the connection', async () => {
    const [left, right] = streamPair();
    let why = '';
    lineTransport(left, left, 10).onMessage(() => undefined);
    const transport = lineTransport(right, right, 10);
    transport.onMessage(() => undefined);
    transport.onClosed((reason) => (why = reason));
    left.write(new Uint8Array(11).fill(65));
    await new Promise((resolve) => setImmediate(resolve));
    expect(why).toBe('line-too-long');
  });
});
