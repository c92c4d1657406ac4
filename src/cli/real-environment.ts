/** Terminal, virtual host and ssh, as the command really has them. */
import { HostError, hostLogPath, hostStatus, startHost, stopHost } from '../host/host.ts';
import type { CliEnvironment, HostActions, Terminal } from './environment.ts';
import { CliError } from './exit-codes.ts';
import { openSshSession } from './ssh-session.ts';
import { LONG_CALL_MS, withToolstack } from './toolstack-client.ts';

export function realEnvironment(): CliEnvironment {
  return {
    openSession: () => openSshSession(),
    host,
    terminal,
    errorIsTerminal: process.stderr.isTTY ?? false,
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
  async start(choices, say) {
    const { buildImages } = await import('../image/build.ts');
    const images = await buildImages().catch((error: Error) => {
      throw new CliError('image-failed', error.message);
    });
    return failingAsHost(
      startHost({
        ...choices,
        images: {
          xen: images.xen,
          kernel: images.kernels.pci,
          bootstrapper: images.bootstrapperInitrd,
          policy: images.policy,
          disk: images.hostDisk,
        },
        onServiceLine: say,
      }),
    );
  },
  stop: (openSession) =>
    failingAsHost(
      stopHost(async () => {
        await withToolstack(openSession, (toolstack) => toolstack.call('host.shutdown', {}, LONG_CALL_MS));
      }),
    ),
  status: () => hostStatus(),
  logPath: () => hostLogPath(),
};

export async function failingAsHost<T>(task: Promise<T>): Promise<T> {
  try {
    return await task;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === 'not-running')
      throw new CliError('host-stopped', 'the virtual host is not running; start it with: ennead host start');
    throw new CliError('host-failed', error.message);
  }
}
