import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import type { ToolstackAccess } from '../toolstack-client.ts';
import { lastLine, waitForLogin } from './login-prompt.ts';

const SOON_MS = 20;
const output = (data: string) => ({ method: 'console.output', params: { data } });
const ended = (reason: string) => ({ method: 'console.ended', params: { reason } });

/** A Toolstack that attaches to any console and then sends these notifications. */
function consoleSays(...notifications: readonly object[]): ToolstackAccess {
  const openSession = async () => {
    const stream: Duplex = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        const { id } = JSON.parse(chunk.toString()) as { id: number };
        const messages = [{ id, result: { name: 'web', domid: 16 } }, ...notifications];
        for (const message of messages) stream.push(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
        done();
      },
    });
    return { stream, whyEnded: async () => 'cut', close: () => stream.destroy() };
  };
  return { openSession, errorIsTerminal: false, error: () => undefined, nowMs: () => 0 };
}

test('waitForLogin() sees a prompt that comes in pieces', async () => {
  await waitForLogin(consoleSays(output('Debian\r\nguest lo'), output('gin: ')), 'web', 5000);
});

test('waitForLogin() does not take the words inside a line for the prompt', async () => {
  await expect(waitForLogin(consoleSays(output('login: refused\n')), 'web', SOON_MS)).rejects.toMatchObject({
    code: 'guest-timeout',
  });
});

test('waitForLogin() says how a guest that ended was doing', async () => {
  const session = consoleSays(output('booting\r\n\x1b[1mKernel panic\x1b[0m\r\n'), ended('the guest is gone'));
  await expect(waitForLogin(session, 'web', 5000)).rejects.toMatchObject({
    code: 'guest-not-booting',
    message: 'guest web ended (the guest is gone) before its login prompt; its last words: Kernel panic',
  });
});

test('lastLine() of nothing says so', () => {
  expect(lastLine('\x1b[2J\r\n')).toBe('(nothing)');
});
