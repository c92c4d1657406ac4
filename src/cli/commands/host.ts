/** The host itself: its life, what it says of itself, its service VMs. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { hostImages } from '../../host/host.ts';
import type { CliEnvironment } from '../environment.ts';
import { CliError } from '../exit-codes.ts';
import { bootLines } from '../progress-lines.ts';
import { linesOf } from '../serial-lines.ts';
import { infoText, serviceTable, trustText } from '../text.ts';
import { withToolstack } from '../toolstack-client.ts';
import { examples, json, type Output, print } from './output.ts';

export function addHostCommands(program: Command, environment: CliEnvironment): void {
  const host = program.command('host').description('the virtual host');
  addLife(host, environment);
  addReports(program, environment);
  addLogs(host, program, environment);
}

interface StartOutput extends Output {
  readonly memory?: number;
  readonly cpus?: number;
  readonly iommu: boolean;
}

function addLife(host: Command, environment: CliEnvironment): void {
  host
    .command('start')
    .description('build what is missing and boot the host')
    .option('--memory <MiB>', "the machine's memory", positive)
    .option('--cpus <number>', "the machine's processors", positive)
    .option('--no-iommu', "no IOMMU: nothing then keeps devices out of other VMs' memory")
    .addOption(json())
    .addHelpText('after', examples('ennead host start', 'ennead host start --memory 4096 --cpus 4'))
    .action(async ({ memory, cpus, iommu, ...output }: StartOutput) => {
      const choices = { iommu, ...(memory && { memoryMib: memory }), ...(cpus && { cpus }) };
      const images = hostImages(await environment.host.build());
      const state = await environment.host.start(images, choices, bootLines(environment));
      print(environment, output, state, () => `the host is up; try: ennead list\n`);
    });
  host
    .command('stop')
    .description('shut the guests down, then the host')
    .addOption(json())
    .addHelpText('after', examples('ennead host stop'))
    .action(async (output: Output) => {
      await environment.host.stop(environment);
      print(environment, output, environment.host.status(), () => 'the host is shut down\n');
    });
  host
    .command('status')
    .description('say whether the host runs')
    .addOption(json())
    .addHelpText('after', examples('ennead host status', 'ennead host status --json'))
    .action((output: Output) => {
      const state = environment.host.status();
      const running = `running since ${state.startedAt} (process ${state.pid}, ${state.memoryMib} MiB, SSH port ${state.sshPort})\n`;
      print(environment, output, state, () => (state.status === 'running' ? running : 'stopped\n'));
    });
}

function addReports(program: Command, environment: CliEnvironment): void {
  program
    .command('info')
    .description('show what Xen says of the host')
    .addOption(json())
    .addHelpText('after', examples('ennead info', 'ennead info --json'))
    .action(async (output: Output) => {
      const report = await withToolstack(environment, (toolstack) => toolstack.call('host.info', {}));
      print(environment, output, report, () => infoText(report));
    });
  program
    .command('dmesg')
    .description("show Xen's own messages")
    .addOption(json())
    .addHelpText('after', examples('ennead dmesg'))
    .action(async (output: Output) => {
      const messages = await withToolstack(environment, (toolstack) => toolstack.call('host.messages', {}));
      print(environment, output, messages, () => messages.text);
    });
  program
    .command('services')
    .description('show the service VMs: job, memory, state, resets')
    .addOption(json())
    .addHelpText('after', examples('ennead services', 'ennead services --json'))
    .action(async (output: Output) => {
      const { services } = await withToolstack(environment, (toolstack) => toolstack.call('services.list', {}));
      print(environment, output, services, () => serviceTable(services));
    });
  program
    .command('trust')
    .description("show Builder's trust list: who may use and reach what")
    .addOption(json())
    .addHelpText('after', examples('ennead trust', 'ennead trust --json'))
    .action(async (output: Output) => {
      const { records } = await withToolstack(environment, (toolstack) => toolstack.call('trust.list', {}));
      print(environment, output, records, () => trustText(records));
    });
}

function addLogs(host: Command, program: Command, environment: CliEnvironment): void {
  host
    .command('log')
    .description("print the host's serial log")
    .addHelpText('after', examples('ennead host log', 'ennead host log | less'))
    .action(async () => environment.out(await serialLog(environment)));
  program
    .command('logs')
    .description('print what one VM has logged')
    .argument('<vm>', 'a service, a guest, or a domid')
    .addHelpText('after', examples('ennead logs blkback', 'ennead logs 16'))
    .action(async (vm: string) => {
      const lines = linesOf(await serialLog(environment), vm, await guestDomid(environment, vm));
      if (lines === null)
        throw new CliError('unknown-vm', `the log knows no VM ${vm}; see: ennead services, ennead list`);
      environment.out(lines.map((line) => `${line}\n`).join(''));
    });
}

async function serialLog({ host }: CliEnvironment): Promise<string> {
  try {
    return await readFile(host.logPath(), 'utf8');
  } catch {
    throw new CliError('host-stopped', 'there is no log: the host was never started; start it with: ennead host start');
  }
}

/** Only Toolstack knows the domid of a guest; without it the log alone must do. */
async function guestDomid(environment: CliEnvironment, vm: string): Promise<number | null> {
  if (environment.host.status().status !== 'running') return null;
  const { domains } = await withToolstack(environment, (toolstack) => toolstack.call('guest.list', {}));
  return domains.find(({ name }) => name === vm)?.domid ?? null;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Not a positive whole number.');
  return value;
}
