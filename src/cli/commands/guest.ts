/** Guests: list, create, and what is done with one that exists. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
import { domainTable } from '../text.ts';
import { LONG_CALL_MS, withToolstack } from '../toolstack-client.ts';
import { readGuestConfig } from '../xl-config/guest-config.ts';
import { attachConsole } from './console.ts';
import { reference } from './guest-reference.ts';
import { examples, json, type Output, print } from './output.ts';

export function addGuestCommands(program: Command, environment: CliEnvironment): void {
  addList(program, environment);
  addCreate(program, environment);
  addEnding(program, environment);
  addRunning(program, environment);
}

function addList(program: Command, environment: CliEnvironment): void {
  program
    .command('list')
    .description('show every VM of the host, as xl does')
    .addOption(json())
    .addHelpText('after', examples('ennead list', 'ennead list --json'))
    .action(async (output: Output) => {
      const { domains } = await withToolstack(environment, (toolstack) => toolstack.call('guest.list', {}));
      const shown = domains.map(({ flags: _, ...row }) => row);
      print(environment, output, shown, () => domainTable(domains));
    });
}

interface CreateOutput extends Output {
  readonly console?: true;
  readonly dryRun?: true;
}

function addCreate(program: Command, environment: CliEnvironment): void {
  program
    .command('create')
    .description('make and start a guest from a file in xl.cfg syntax')
    .argument('<file>', 'the guest file')
    .argument('[key=value...]', 'settings that count more than those of the file')
    .option('-c, --console', 'attach to its console')
    .option('-n, --dry-run', 'show what would be made, and make nothing')
    .addOption(json())
    .addHelpText(
      'after',
      examples(
        'ennead create web.cfg',
        'ennead create web.cfg memory=256 name=web2',
        "ennead create web.cfg 'vif=[]' -c",
      ),
    )
    .action(async (path: string, overrides: string[], output: CreateOutput) => {
      const { config, warnings } = readGuestConfig(await guestFile(path), path, overrides);
      for (const warning of warnings) environment.error(`warning: ${warning}\n`);
      if (output.dryRun) {
        environment.out(`${JSON.stringify(config, null, 2)}\n`);
        return;
      }
      const created = await withToolstack(environment, (toolstack) =>
        toolstack.call('guest.create', config, LONG_CALL_MS),
      );
      print(environment, output, created, () => `guest ${created.name} runs as domain ${created.domid}\n`);
      if (output.console) await attachConsole(environment, created.name);
    });
}

async function guestFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CliError('no-file', `guest file ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function addEnding(program: Command, environment: CliEnvironment): void {
  const ending = (name: 'shutdown' | 'reboot', description: string, done: (guest: string, waited: boolean) => string) =>
    program
      .command(name)
      .description(description)
      .argument('<guest>', 'its name or domid')
      .option('-w, --wait', 'until it has done so')
      .addOption(json())
      .addHelpText('after', examples(`ennead ${name} web`, `ennead ${name} --wait web`))
      .action(async (guest: string, output: Output & { wait?: true }) => {
        const wait = output.wait ?? false;
        const params = { guest: reference(guest), wait };
        const method = `guest.${name}` as const;
        await withToolstack(environment, (toolstack) => toolstack.call(method, params, LONG_CALL_MS));
        print(environment, output, {}, () => done(guest, wait));
      });
  ending('shutdown', "ask a guest's own system to power off", (guest, waited) =>
    waited ? `guest ${guest} has shut down\n` : `guest ${guest} is asked to shut down\n`,
  );
  ending('reboot', "ask a guest's own system to restart", (guest, waited) =>
    waited ? `guest ${guest} has rebooted\n` : `guest ${guest} is asked to reboot\n`,
  );
}

function addRunning(program: Command, environment: CliEnvironment): void {
  for (const [name, description, done] of [
    ['destroy', 'end a guest at once, as if its power were cut', 'is destroyed'],
    ['pause', 'stop its processors', 'is paused'],
    ['unpause', 'let its processors run again', 'runs again'],
  ] as const)
    program
      .command(name)
      .description(description)
      .argument('<guest>', 'its name or domid')
      .addOption(json())
      .addHelpText('after', examples(`ennead ${name} web`))
      .action(async (guest: string, output: Output) => {
        const params = { guest: reference(guest) };
        const method = `guest.${name}` as const;
        await withToolstack(environment, (toolstack) => toolstack.call(method, params, LONG_CALL_MS));
        print(environment, output, {}, () => `guest ${guest} ${done}\n`);
      });
}
