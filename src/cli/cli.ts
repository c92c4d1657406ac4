/** The operator's command: parses its arguments, runs one command, and turns every failure into one line and an exit code. */
import { type Command, CommanderError } from 'commander';
import { RpcError } from '../kit/rpc.ts';
import { CommandLine } from './command-line.ts';
import { addConsoleCommand } from './commands/console.ts';
import { addGuestCommands } from './commands/guest.ts';
import { addHostCommands } from './commands/host.ts';
import { addImageCommands } from './commands/image.ts';
import { addMachineCommands } from './commands/machine.ts';
import { addScreenCommands } from './commands/screen.ts';
import { addVolumeCommands } from './commands/volume.ts';
import { addXenStoreCommands } from './commands/xenstore.ts';
import type { CliEnvironment } from './environment.ts';
import { CliError, EXIT_FAILED, EXIT_USAGE, exitCodeOf, exitCodes } from './exit-codes.ts';
import { ConfigError } from './xl-config/parse.ts';

/** Resolves to the exit code. `argv` begins after the program's name. */
export async function runCli(argv: readonly string[], environment: CliEnvironment): Promise<number> {
  try {
    await programFor(environment).parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    return report(error, environment);
  }
}

function programFor(environment: CliEnvironment): Command {
  const program = new CommandLine('ennead')
    .description('operate a Xen host whose control VM is split into service VMs')
    .showHelpAfterError('(--help shows how)')
    .configureOutput({
      writeOut: environment.out,
      writeErr: environment.error,
      outputError: (text, write) => write(`ennead: ${oneLine(text.replace(/^error: /, ''), ' ')}\n`),
    })
    .exitOverride();
  addHostCommands(program, environment);
  addImageCommands(program, environment);
  addGuestCommands(program, environment);
  addConsoleCommand(program, environment);
  addScreenCommands(program, environment);
  addMachineCommands(program, environment);
  addVolumeCommands(program, environment);
  addXenStoreCommands(program, environment);
  inherit(program);
  return program;
}

/** Subcommands that exist already do not take over what is set on the program. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inherit(command);
  }
}

/** Prints the failure in one line; returns its exit code. */
export function report(error: unknown, environment: Pick<CliEnvironment, 'error'>): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const message = error instanceof Error ? error.message : String(error);
  environment.error(`ennead: ${oneLine(message, '; ')}\n`);
  if (error instanceof ConfigError) return exitCodes['bad-config'];
  if (error instanceof CliError || error instanceof RpcError) return exitCodeOf(error.code);
  return EXIT_FAILED;
}

const oneLine = (text: string, between: string): string => text.trim().replaceAll(/\s*\n\s*/g, between);
