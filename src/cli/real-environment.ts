/** Terminal, virtual host and ssh, as the command really has them. */
import { startHost, stopHost } from '../host/host.ts';
import { hostDirectory } from '../host/host-directory.ts';
import { hostStatus } from '../host/host-state.ts';
import { interruptible } from '../image/interruption.ts';
import type { CliEnvironment, HostActions, Terminal } from './environment.ts';
import { failingAsHost, failingAsImage } from './failures.ts';
import { openSshSession } from './ssh-session.ts';
import { LONG_CALL_MS, withToolstack } from './toolstack-client.ts';

export function realEnvironment(): CliEnvironment {
  return {
    openSession: () => openSshSession(),
    host,
    terminal,
    errorIsTerminal: process.stderr.isTTY ?? false,
    nowMs: () => performance.now(),
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
  };
}

const terminal: Terminal = {
  raw(on) {
    if (process.stdin.isTTY) process.stdin.setRawMode(on);
  },
  onInput(handler, ended) {
    process.stdin.on('data', handler).once('end', ended);
  },
  stop() {
    process.stdin.removeAllListeners('data').removeAllListeners('end').pause();
  },
};

const host: HostActions = {
  async build() {
    // Loaded when needed: the builder brings compilers along.
    const { buildImages } = await import('../image/build.ts');
    return failingAsImage(buildImages());
  },
  start: (images, choices, say) =>
    failingAsHost(interruptible((signal) => startHost({ ...choices, images, onServiceLine: say, signal }))),
  stop: (access) =>
    failingAsHost(
      stopHost(async () => {
        await withToolstack(access, (toolstack) => toolstack.call('host.shutdown', {}, LONG_CALL_MS));
      }),
    ),
  status: () => hostStatus(),
  logPath: () => hostDirectory().serialLog,
};
