/** `ennead-xenstored --socket PATH`: XenStore's two programs on an ordinary Linux host, and the socket before them. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSteps } from '../image/images.ts';
import { runtime } from '../image/steps/runtime.ts';
import { xenstored } from '../image/steps/xenstored.ts';
import { limitArguments, limitOptions } from './limits.ts';
import { type Executables, serve } from './programs.ts';

const HELP = `usage: ennead-xenstored --socket PATH [OPTION]…

Serves XenStore on a Unix socket, without Xen: XenStore-State and XenStore-Logic as they are in their VMs.
Whoever may open the socket is domain 0. The contents are gone when it ends (Ctrl+C, SIGTERM).

Options, as xenstored has them: what each guest may have. Here they are shown and can be set (xenstore-control
quota), but hold nobody: domain 0 has no limits.
  -E, --entry-nb N      nodes
  -S, --entry-size N    bytes of a node's value
  -W, --watch-nb N      watches
  -t, --transaction N   open transactions
  -A, --perm-nb N       permissions of a node
  -M, --path-max N      characters of a path: of everybody's
  -Q, --quota WHAT=N    transaction-nodes, memory; total-memory: of all guests together
  -q, --quota-soft memory=N
                        memory of which a guest's excess is logged

Example:
  ennead-xenstored --socket /tmp/xenstore &
  XENSTORED_PATH=/tmp/xenstore xenstore-ls
`;
const EXIT_USAGE = 2;
const EXIT_FAILED = 1;

class UsageError extends Error {}

/** null: the help. */
function optionsOf(args: readonly string[]): { socket: string; limits: string[] } | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { socket: { type: 'string' }, help: { type: 'boolean', default: false }, ...limitOptions },
    });
    const { socket, help, ...limits } = values;
    if (help) return null;
    if (!socket) throw new UsageError('--socket is missing');
    return { socket: resolve(socket), limits: limitArguments(limits) };
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
  const options = optionsOf(process.argv.slice(2));
  if (options === null) return void process.stdout.write(HELP);
  const ended = await serve(options.socket, await executables(), options.limits);
  if (ended === null) return;
  process.stderr.write(`ennead-xenstored: its program '${ended}' has ended; nothing is served any more\n`);
  process.exitCode = EXIT_FAILED;
}

main().catch((error: unknown) => {
  process.stderr.write(`ennead-xenstored: ${(error as Error).message}\n`);
  if (error instanceof UsageError) process.stderr.write('see: ennead-xenstored --help\n');
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
});
