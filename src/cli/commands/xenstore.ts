/** The store, as the xenstore-* tools show and change it. */
import { type Command, InvalidArgumentError } from 'commander';
import type { StoreNode } from '../../contracts/toolstack.ts';
import { boundsText, isWithinBounds, type LimitName, limitNames } from '../../contracts/xenstore-limits.ts';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
import { quotaText } from '../text.ts';
import { type ToolstackClient, withToolstack } from '../toolstack-client.ts';
import { escapeValue, formatTree, type TreeFormat, unescapeValue } from '../xenstore-text.ts';
import { examples, json, type Output, print } from './output.ts';

const PATHS = 'in full, or from /local/domain/5, which is Toolstack';

export function addXenStoreCommands(program: Command, environment: CliEnvironment): void {
  const xenstore = program.command('xenstore').description('the store through which VMs find each other');
  addLooking(xenstore, environment);
  addQuota(xenstore, environment);
  addReading(xenstore, environment);
  addChanging(xenstore, environment);
  addWatching(xenstore, environment);
}

function addLooking(xenstore: Command, environment: CliEnvironment): void {
  xenstore
    .command('ls')
    .description('show a node and everything below it')
    .argument('[path]', PATHS, '/')
    .option('-f, --full', 'whole paths, nothing cut')
    .option('-p, --permissions', 'the permissions, too')
    .addOption(json())
    .addHelpText('after', examples('ennead xenstore ls', 'ennead xenstore ls -f -p /local/domain/16'))
    .action((path: string, options: TreeFormat & Output) =>
      withToolstack(environment, (toolstack) => showTree(environment, toolstack, path, options)),
    );
}

/** Lines as they come: a whole store takes seconds. */
async function showTree(
  environment: CliEnvironment,
  toolstack: ToolstackClient,
  path: string,
  options: TreeFormat & Output,
): Promise<void> {
  const all: StoreNode[] = [];
  for (let more = true, further = false; more; further = true) {
    const part = await toolstack.call('xenstore.tree', { path, further });
    if (options.json) all.push(...part.nodes);
    else environment.out(formatTree(path, part.nodes, options));
    more = part.more;
  }
  if (options.json) print(environment, options, all, () => '');
}

function addQuota(xenstore: Command, environment: CliEnvironment): void {
  const quota = xenstore
    .command('quota')
    .description('show what guests may have in it, and what each domain has')
    .addOption(json())
    .addHelpText('after', examples('ennead xenstore quota', 'ennead xenstore quota --json'))
    .action(async (output: Output) => {
      const found = await withToolstack(environment, (toolstack) => toolstack.call('xenstore.quota', {}));
      print(environment, output, found, () => quotaText(found));
    });
  quota
    .command('set')
    .description('set what each guest may have from now on, until the host is started again')
    .argument('<limit>', "a limit's name, as `quota` shows it", limitName)
    .argument('<value>', 'its new value', positive)
    .addHelpText('after', examples('ennead xenstore quota set nodes 2000', 'ennead xenstore quota set memory 131072'))
    .action(async (name: LimitName, value: number) => {
      if (!isWithinBounds(name, value)) throw new CliError('usage', boundsText(name));
      await withToolstack(environment, (toolstack) => toolstack.call('xenstore.setQuota', { name, value }));
    });
}

function addReading(xenstore: Command, environment: CliEnvironment): void {
  xenstore
    .command('read')
    .description('show the values of nodes')
    .argument('<path...>', PATHS)
    .option('-p, --prefix', 'the path before each value')
    .addOption(json())
    .addHelpText('after', examples('ennead xenstore read /local/domain/16/name'))
    .action(async (paths: string[], { prefix, ...output }: Output & { prefix?: true }) => {
      const nodes = await eachOf(environment, paths, async (toolstack, path) => {
        return { path, ...(await toolstack.call('xenstore.read', { path })) };
      });
      const line = ({ path, value }: (typeof nodes)[number]): string =>
        `${prefix ? `${path}: ` : ''}${escapeValue(value)}\n`;
      print(environment, output, nodes, () => nodes.map(line).join(''));
    });
  xenstore
    .command('list')
    .description('show the names of what is below nodes')
    .argument('<path...>', PATHS)
    .option('-p, --prefix', 'whole paths')
    .addOption(json())
    .addHelpText('after', examples('ennead xenstore list /local/domain'))
    .action(async (paths: string[], { prefix, ...output }: Output & { prefix?: true }) => {
      const nodes = await eachOf(environment, paths, async (toolstack, path) => {
        return { path, ...(await toolstack.call('xenstore.list', { path })) };
      });
      const lines = nodes.flatMap(({ path, names }) =>
        names.map((name) => `${prefix ? `${path.replace(/\/$/, '')}/` : ''}${name}\n`),
      );
      print(environment, output, nodes, () => lines.join(''));
    });
  xenstore
    .command('exists')
    .description('succeed if all of the nodes are there')
    .argument('<path...>', PATHS)
    .addHelpText('after', examples('ennead xenstore exists /local/domain/16'))
    .action(async (paths: string[]) => {
      await eachOf(environment, paths, (toolstack, path) => toolstack.call('xenstore.read', { path }));
    });
}

function addChanging(xenstore: Command, environment: CliEnvironment): void {
  xenstore
    .command('write')
    .description('set the values of nodes')
    .argument('<path and value...>', 'in pairs; a value may have escapes: \\n, \\t, \\\\, \\x00')
    .addHelpText('after', examples('ennead xenstore write /local/domain/16/data/hello world'))
    .action(async (words: string[]) => {
      if (words.length % 2 !== 0) throw new CliError('usage', `${words.at(-1)}: a path without a value`);
      const paths = words.filter((_, index) => index % 2 === 0);
      await eachOf(environment, paths, (toolstack, path, index) =>
        toolstack.call('xenstore.write', { path, value: unescapeValue(words[2 * index + 1]!) }),
      );
    });
  xenstore
    .command('rm')
    .description('remove nodes with everything below them')
    .argument('<path...>', PATHS)
    .addHelpText('after', examples('ennead xenstore rm /local/domain/16/data/hello'))
    .action(async (paths: string[]) => {
      await eachOf(environment, paths, (toolstack, path) => toolstack.call('xenstore.remove', { path }));
    });
  xenstore
    .command('chmod')
    .description('set the permissions of a node')
    .argument('<path>', PATHS)
    .argument('<permission...>', 'the owner first, with what all others may: n5 r16 (none, read, write, both)')
    .option('-r, --recursive', 'of everything below it, too')
    .addHelpText('after', examples('ennead xenstore chmod /local/domain/16/data n16 r6'))
    .action(async (path: string, permissions: string[], { recursive = false }: { recursive?: boolean }) => {
      await withToolstack(environment, (toolstack) =>
        toolstack.call('xenstore.chmod', { path, permissions, recursive }),
      );
    });
}

function addWatching(xenstore: Command, environment: CliEnvironment): void {
  xenstore
    .command('watch')
    .description('show which paths change, until Ctrl+C')
    .argument('<path...>', `${PATHS}; or @introduceDomain, @releaseDomain`)
    .option('-n, --number <events>', 'end after so many events', positive)
    .addHelpText(
      'after',
      examples('ennead xenstore watch /local/domain/16', 'ennead xenstore watch -n 2 @releaseDomain'),
    )
    .action((paths: string[], { number = Number.POSITIVE_INFINITY }: { number?: number }) =>
      showChanges(environment, paths, number),
    );
}

/** Resolves after so many events. */
async function showChanges(environment: CliEnvironment, paths: readonly string[], events: number): Promise<void> {
  let left = events;
  let ended: () => void = () => {};
  let failed: (why: Error) => void = () => {};
  const over = new Promise<void>((resolve, reject) => {
    ended = resolve;
    failed = reject;
  });
  const changed = (path: string): void => {
    if (left > 0) environment.out(`${path}\n`);
    left -= 1;
    if (left <= 0) ended();
  };
  await withToolstack(
    environment,
    async (toolstack) => {
      toolstack.onClosed((why) => failed(new CliError('host-unreachable', `the connection is lost: ${why}`)));
      for (const path of paths) await toolstack.call('xenstore.watch', { path });
      await over;
    },
    { changed },
  );
}

function limitName(text: string): LimitName {
  const found = limitNames.find((name) => name === text);
  if (!found) throw new InvalidArgumentError(`one of ${limitNames.join(', ')}`);
  return found;
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a number from 1 upwards');
  return Number(text);
}

/** One after the other, in one session. */
function eachOf<T>(
  environment: CliEnvironment,
  paths: readonly string[],
  work: (toolstack: ToolstackClient, path: string, index: number) => Promise<T>,
): Promise<T[]> {
  return withToolstack(environment, async (toolstack) => {
    const results: T[] = [];
    for (const [index, path] of paths.entries()) results.push(await work(toolstack, path, index));
    return results;
  });
}
