/** How every service starts: the file systems Linux needs, the boot parameters, its log; and how it ends: by exiting, to be started again. */
import * as rt from 'ennead:rt';
import { type BootParameters, decodeBootParameters } from '../contracts/boot-parameters.ts';
import type { Log } from '../xen/ports.ts';
import { files, log } from '../xen/real/adapter.ts';
import { mountMissing } from './mounts.ts';

export interface ServiceContext {
  readonly name: string;
  readonly parameters: BootParameters;
  readonly log: Log;
}

const CMDLINE_BYTES_MAX = 8192;

/**
 * Runs a program's `main`. It resolves when the program is set up; the event loop then runs for ever. An exception is our own bug or a
 * host that cannot work: it is logged and the process exits with 1, which its supervisor answers with a fresh one.
 */
export function startProgram(name: string, main: (log: Log) => Promise<void> | void): void {
  const programLog: Log = (line) => log(`ennead[${name}]: ${line}`);
  const start = async (): Promise<void> => main(programLog);
  start().catch((error: unknown) => {
    programLog(`failed: ${describe(error)}`);
    rt.exit(1);
  });
}

/** A program that is all there is in its VM. */
export function startService(name: string, main: (context: ServiceContext) => Promise<void> | void): void {
  startProgram(name, async (serviceLog) => {
    mountMissing(files);
    rt.setHostname(name);
    const commandLine = new TextDecoder().decode(files.read('/proc/cmdline', CMDLINE_BYTES_MAX));
    await main({ name, parameters: decodeBootParameters(commandLine), log: serviceLog });
    // The host's side reads these lines from the serial log: `ennead[toolstack]: ready`.
    serviceLog('ready');
  });
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.stack ? `${error.message} ${error.stack.replaceAll('\n', ' ').trim()}` : error.message;
}
