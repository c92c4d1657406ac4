/** What the domains use of XenStore. */
import type { Command } from 'commander';
import type { CliEnvironment } from '../environment.ts';
import { quotaTable } from '../text.ts';
import { withToolstack } from '../toolstack-client.ts';
import { examples, json, type Output, print } from './output.ts';

export function addXenStoreCommands(program: Command, environment: CliEnvironment): void {
  program
    .command('xenstore')
    .description('the store through which VMs find each other')
    .command('quota')
    .description('show how many nodes, watches and transactions each domain has in it')
    .addOption(json())
    .addHelpText('after', examples('ennead xenstore quota', 'ennead xenstore quota --json'))
    .action(async (output: Output) => {
      const { domains } = await withToolstack(environment.openSession, (toolstack) =>
        toolstack.call('xenstore.quota', {}),
      );
      print(environment, output, domains, () => quotaTable(domains));
    });
}
