/** commander, with one line for every error in the command line. */
import { Command, type HelpContext } from 'commander';

export class CommandLine extends Command {
  override createCommand(name?: string): CommandLine {
    return new CommandLine(name);
  }

  /** Where a subcommand is missing commander would print a whole page as its error. */
  override help(context?: HelpContext | ((text: string) => string)): never {
    if (typeof context !== 'object' || !context.error) return super.help(context as HelpContext);
    const names = this.commands.map((command) => command.name());
    return this.error(`error: a command is missing after ${this.name()}: ${names.join(', ')}`);
  }
}
