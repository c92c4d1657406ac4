/** `ennead-xenstored --socket PATH`: XenStore's two programs on an ordinary Linux host, and the socket before them. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSteps } from '../image/images.ts';
import { runtime } from '../image/steps/runtime.ts';
import { xenstored } from '../image/steps/xenstored.ts';
import { type Executables, serve } from './programs.ts';

const HELP = `usage: ennead-xenstored --socket PATH

Serves XenStore on a Unix socket, without Xen: XenStore-State and XenStore-Logic as they are in their VMs.
Whoever may open the socket is domain 0. The contents are gone when it ends (Ctrl+C, SIGTERM).

Example:
  ennead-xenstored --socket /tmp/xenstore &
  XENSTORED_PATH=/tmp/xenstore xenstore-ls
`;
const EXIT_USAGE = 2;
const EXIT_FAILED = 1;

class UsageError extends Error {}

function socketOf(args: readonly string[]): string | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { socket: { type: 'string' }, help: { type: 'boolean', default: false } },
    });
    if (values.help) return null;
    if (!values.socket) throw new UsageError('--socket is missing');
    return resolve(values.socket);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function executables(): Promise<Executables> {
  const { made } = await buildSteps([runtime, xenstored], {});
  return {
    runtime: made.get(runtime)!.path('ennead-rt'),
    program: (name) => made.get(xenstored)!.path(`${name}.qbc`),
  };
}

async function main(): Promise<void> {
  const socket = socketOf(process.argv.slice(2));
  if (socket === null) return void process.stdout.write(HELP);
  const ended = await serve(socket, await executables());
  if (ended === null) return;
  process.stderr.write(`ennead-xenstored: its program '${ended}' has ended; nothing is served any more\n`);
  process.exitCode = EXIT_FAILED;
}

main().catch((error: unknown) => {
  process.stderr.write(`ennead-xenstored: ${(error as Error).message}\n`);
  if (error instanceof UsageError) process.stderr.write('see: ennead-xenstored --help\n');
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
});
